"""`make reliability`: the whole matrix on both databases, then the chaos run, and the page with what came of them.

Each part leaves its record in `var/reliability`. A part, or a row, that is done again replaces its own.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.crash.matrix import ELSEWHERE
from tests.crash.page import DATABASES, page
from tests.sandbox import ROOT

PAGE: Final = ROOT / "docs" / "reliability.md"
FOLDER: Final = ROOT / "var" / "reliability"
CHAOS: Final = "chaos"
PARTS: Final = (*DATABASES, CHAOS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.reliability", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="do one part again, and keep the records of the others")
    parser.add_argument("--row", help="do this test alone again, in the part that --only names")
    parser.add_argument("--checkouts", type=int, default=2000, help="of the chaos run (2000)")
    parser.add_argument("--seed", type=int, help="of the chaos run (random)")
    options = parser.parse_args()
    codes = [_do(part, options) for part in PARTS if options.only in (None, part)]
    records, chaos = [_read(FOLDER / f"{name}.json") for name in DATABASES], _read(FOLDER / f"{CHAOS}.json")
    if not all([*records, chaos]):
        print("reliability: there is no record of some part; the page stays as it was", file=sys.stderr)
        return 1
    when = f"{datetime.now(UTC):%-d %B %Y}"
    PAGE.write_text(page(records, chaos, machine=_machine(records), when=when), encoding="utf-8")
    print(f"reliability: {'FAILED' if any(codes) else 'everything held'}; {PAGE.relative_to(ROOT)} says what was done")
    return 1 if any(codes) else 0


def _do(part: str, options: argparse.Namespace) -> int:
    if options.row is None:
        (FOLDER / f"{part}.json").unlink(missing_ok=True)
    return _chaos(options) if part == CHAOS else _matrix(part, options.row)


def _matrix(database: str, row: str | None) -> int:
    tests = [row] if row else ["tests/crash", *(row.test for row in ELSEWHERE)]
    options = ["-p", "tests.crash.record", "--reliability", str(FOLDER), "-q", "-p", "no:randomly"]
    return subprocess.run([sys.executable, "-m", "tests", f"--{database}", *options, *tests], cwd=ROOT).returncode


def _chaos(options: argparse.Namespace) -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.crash.chaos", f"--checkouts={options.checkouts}", "--every=2"]
    command += [f"--json={FOLDER / CHAOS}.json"]
    command += [f"--seed={options.seed}"] if options.seed is not None else []
    return subprocess.run(command, cwd=ROOT).returncode


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.exists() else {}


def _machine(records: list[dict[str, Any]]) -> str:
    """In general terms."""
    versions = ", ".join(f"{DATABASES[record['database']]} {record['version']}" for record in records)
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    sys.exit(main())
