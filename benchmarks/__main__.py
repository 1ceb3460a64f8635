"""`make bench`: each part beside its reference, in the same run."""

import argparse
import json
import os
import platform
import signal
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Final, NoReturn

from benchmarks import checkouts, contest, lists, office, places, report, webhooks
from benchmarks.processes import ROOT, BenchmarkError
from benchmarks.report import Table
from tests.services import Service, ServiceError

FOLDER: Final = ROOT / "benchmarks"
CLIENTS: Final = 4
PARTS: Final = ("checkouts", "webhooks", "engine", "office", "lists")


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    options = _arguments()
    try:
        with ExitStack() as stack:
            postgresql = stack.enter_context(places.postgresql())
            if postgresql is None:
                raise BenchmarkError("PostgreSQL was not found: set TEST_DATABASE_URL or install PostgreSQL")
            redis = stack.enter_context(places.redis_server())
            _measure(options, postgresql, redis)
    except (BenchmarkError, ServiceError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave through every `with`: servers end, databases go."""
    sys.exit(128 + number)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="measure one part alone")
    parser.add_argument("--rounds", type=int, default=5, help="repetitions, of which the median counts (5)")
    parser.add_argument("--checkouts", type=int, default=100, help="checkouts in each round (100)")
    parser.add_argument("--events", type=int, default=4000, help="webhooks in each round, as fast as they go (4000)")
    parser.add_argument("--seconds", type=float, default=5, help="how long each side of the engine runs (5)")
    parser.add_argument("--processes", type=int, default=1, help="processes of the web server (1)")
    parser.add_argument("--copies", type=int, default=office.COPIES, help="of each of the demo's 150 orders (667)")
    parser.add_argument("--charges", type=int, default=lists.CHARGES, help="behind the pages of a list (10000000)")
    parser.add_argument("--record", action="store_true", help="write benchmarks/RESULTS.md anew")
    options = parser.parse_args()
    if options.record and options.only:
        parser.error("--record is about all parts")
    return options


def _measure(options: argparse.Namespace, postgresql: Service, redis: Service | None) -> None:
    conditions = _conditions(options, postgresql, redis)
    print("\n".join(f"{name}: {value}" for name, value in conditions.items()), flush=True)
    measured: dict[str, Any] = {}
    tables = []
    if options.only in (None, "checkouts"):
        size = checkouts.Size(options.processes, CLIENTS, options.rounds, options.checkouts)
        measured["checkouts"] = checkouts.measure(postgresql, redis, size)
        tables.append(_shown(report.checkouts(measured["checkouts"])))
        tables.append(_shown(report.replays(measured["checkouts"])))
    if options.only in (None, "webhooks"):
        measured["webhooks"] = webhooks.measure(postgresql, webhooks.Size(options.rounds, options.events))
        tables.append(_shown(report.webhooks(measured["webhooks"])))
        tables.append(_shown(report.waiting(measured["webhooks"])))
    if options.only in (None, "engine") and (engine := _engine(options, postgresql)):
        measured["engine"] = engine
        tables.append(_shown(report.engine(engine)))
    if options.only in (None, "office"):
        measured["office"] = office.measure(postgresql, office.Size(options.copies, options.rounds))
        tables.append(_shown(report.office(measured["office"])))
    if options.only in (None, "lists"):
        measured["lists"] = lists.measure(postgresql, lists.Size(options.charges, CLIENTS, options.rounds))
        tables.append(_shown(report.lists(measured["lists"])))
    _keep(conditions, measured, tables, is_record=options.record)


def _engine(options: argparse.Namespace, postgresql: Service) -> dict[str, Any] | None:
    try:
        reference = contest.install_reference()
    except BenchmarkError as error:
        print(f"The engine was not measured, for it has no reference here: {error}")
        return None
    return contest.measure(postgresql, reference, contest.Size(CLIENTS, options.rounds, options.seconds))


def _conditions(options: argparse.Namespace, postgresql: Service, redis: Service | None) -> dict[str, str]:
    commits = ", ".join(f"{name} {value}" for name, value in places.durability(postgresql).items())
    return {
        "Date": datetime.now(UTC).date().isoformat(),
        "Machine": f"{platform.system()} on {platform.machine()}, {os.cpu_count()} cores, all processes on it",
        "Python": platform.python_version(),
        "PostgreSQL": f"{postgresql.origin.split()[0]}: {commits}",
        "Redis": redis.origin.split(",")[0].split()[0] if redis else "none",
        "Load": f"{CLIENTS} clients, or threads, at once; processes of the web server: {options.processes}",
        "Figures": f"medians of {options.rounds} rounds, the sides taking turns",
    }


def _shown(table: Table) -> Table:
    print(flush=True)
    table.show()
    return table


def _keep(conditions: dict[str, str], measured: dict[str, Any], tables: list[Table], *, is_record: bool) -> None:
    results = FOLDER / "results"
    results.mkdir(exist_ok=True)
    path = results / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps({"conditions": conditions, **measured}, indent=1) + "\n")
    print(f"\nAll figures, and the SQL of a checkout: {path.relative_to(ROOT)}")
    if is_record:
        lines = ["# Results of one run", "", *(f"* {name}: {value}" for name, value in conditions.items()), ""]
        (FOLDER / "RESULTS.md").write_text("\n".join([*lines, *(table.as_markdown() for table in tables)]))


if __name__ == "__main__":
    sys.exit(main())
