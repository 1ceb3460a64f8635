"""The engine beside DBOS: the same server, the same durability, as many threads, taking turns."""

import contextlib
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import places, processes
from benchmarks.processes import ROOT, BenchmarkError
from tests.services import Service

REQUIREMENT: Final = "dbos==3.4.0"
ENVIRONMENT: Final = ROOT / "benchmarks" / ".venv-dbos"


@dataclass(frozen=True)
class Size:
    """Each side runs `rounds` times for so many seconds, in one process with so many threads."""

    threads: int
    rounds: int
    seconds: float


def measure(postgresql: Service, reference: Path, size: Size) -> dict[str, list[dict[str, Any]]]:
    """What each side took in every round. `reference` is the Python that has DBOS."""
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(places.database(postgresql, name)) for name in ("engine", "dbos"))
        sides = _sides(reference, ours, theirs, size)
        rounds = [{name: run() for name, run in sides.items()} for _ in range(size.rounds)]
    return {name: [figures[name] for figures in rounds] for name in sides}


def _sides(reference: Path, ours: str, theirs: str, size: Size) -> dict[str, Callable[[], Any]]:
    load = ("--threads", str(size.threads), "--seconds", str(size.seconds))
    env = processes.environment(DJANGO_SETTINGS_MODULE="config.settings", DATABASE_URL=ours, LOG_LEVEL="ERROR")
    return {
        "chained": lambda: processes.speak("benchmarks.engine", "chained", *load, env=env),
        "dbos": lambda: processes.speak("benchmarks.dbos_workflow", theirs, *load, env=env, python=reference),
        "committed": lambda: processes.speak("benchmarks.engine", "committed", *load, env=env),
    }


def install_reference() -> Path:
    """The Python of the reference's environment, made when it is not there; raise BenchmarkError when that fails."""
    python = ENVIRONMENT / "bin" / "python"
    marker = ENVIRONMENT / "installed"
    if not (marker.exists() and marker.read_text() == REQUIREMENT):
        print(f"Installing {REQUIREMENT} into {ENVIRONMENT.relative_to(ROOT)}", flush=True)
        _run(sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT))
        _run(str(python), "-m", "pip", "install", "-q", "--only-binary", ":all:", REQUIREMENT)
        marker.write_text(REQUIREMENT)
    return python


def _run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        reason = (ended.stderr.strip() or ended.stdout.strip()).splitlines()[-1:]
        raise BenchmarkError(f"{REQUIREMENT} could not be installed: {' '.join(reason)}")


def median(rounds: list[dict[str, Any]], figure: str) -> float:
    return float(statistics.median(one[figure] for one in rounds))
