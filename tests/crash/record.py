"""Writes down what a run of the crash tests has shown. A pytest plugin: `-p tests.crash.record --reliability FOLDER`.

With it the tests run in full: every pair of points instead of a sample of them.
"""

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from tests.crash.matrix import ELSEWHERE
from tests.crash.processes import Point, Step

OPTION: Final = "reliability"
PAIRS: Final = "pairs"
NO_STEP: Final = Step("", "", "")


@dataclass
class Tally:
    """What one test counted: its cases, and at which points somebody died."""

    cases: int = 0
    deaths: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    """By the saga, the direction and the step that a point was about, and what the point was."""

    def count(self, *points: Point) -> None:
        """One more case, in which somebody died, or stood still, at each of `points`."""
        self.cases += 1
        for point in (point for point in points if point.signal == "SIGKILL"):
            what = PAIRS if len(points) > 1 else f"{point.when} {'commit' if point.is_commit else 'call'}"
            for step in set(point.steps) or {NO_STEP}:
                self.deaths[(*step, what)] += 1

    def as_properties(self) -> list[tuple[str, Any]]:
        return [("cases", self.cases), ("deaths", [[*of, times] for of, times in self.deaths.items()])]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(f"--{OPTION}", metavar="FOLDER", help="run the crash tests in full, and leave their record here")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(Path(config.getoption(OPTION))))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What the test says of itself travels with its report, also from one process to another."""
    for mark in item.iter_markers("matrix"):
        item.user_properties.append(("row", mark.kwargs))
    elsewhere = [row for row in ELSEWHERE if item.nodeid.startswith(row.test)]
    item.user_properties += [("row", {"fault": row.fault, "holds": row.holds}) for row in elsewhere]


class Recorder:
    """Gathers the reports of all processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tests: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = self._tests.setdefault(report.nodeid, {"outcome": "passed", "seconds": 0.0})
        test["seconds"] += report.duration
        if report.outcome != "passed" and test["outcome"] != "failed":
            test["outcome"] = report.outcome
        if report.when == "teardown":
            test.update(dict(report.user_properties))

    def pytest_sessionfinish(self) -> None:
        from tests.crash.invariants import INVARIANTS  # it needs Django, which is not there yet when this module is

        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{connection.vendor}.json"
        told = [{"test": name, **test} for name, test in self._tests.items() if "row" in test]
        if file.exists():  # a row that is run again replaces its own record
            kept = json.loads(file.read_text())["tests"]
            told = [*(test for test in kept if test["test"] not in self._tests), *told]
        about = {"database": connection.vendor, "version": _version(), "invariants": list(INVARIANTS)}
        file.write_text(json.dumps({**about, "tests": told}, indent=1))


def _version() -> str:
    """Of the server that the tests used."""
    if connection.vendor == "sqlite":
        return sqlite3.sqlite_version
    with psycopg.connect(settings.DATABASE_URL) as server:
        return f"{server.info.server_version // 10_000}.{server.info.server_version % 10_000}"
