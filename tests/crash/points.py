"""The points of a process: every commit and every call to a peer, counted as it passes them, and where it may die.

Nothing is declared: what the process does is the list. A point is named by the steps of the saga it is about, which
the process tells too.
"""

import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from payments.gateways.http import Connections
from payments.sagas import engine
from payments.sagas.run import Run

_IDS = re.compile(r"/[a-z]+_[0-9a-z]+")
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_KEY = re.compile(r"saga_\w+:(\w+):(do|undo):\d+")
DIRECTIONS = {"do": "forward", "undo": "compensating"}


class Points:
    """Numbers the points that this process passes, and sends it a signal at those it was told.

    `signals` are the point (its number, or what it is), `before` or `after` it, and the signal's name.
    """

    def __init__(self, signals: Iterable[tuple[int | str, str, str]]) -> None:
        self.passed: list[tuple[str, list[tuple[str, str, str]]]] = []
        """What it was (`commit`, or method and path of a call), and the steps it was about, each as the saga's
        definition, the direction, and the step's name."""
        self.definition = ""
        self.written: list[tuple[str, str, str]] = []
        self._signals = {(at, when): signal.Signals[name] for at, when, name in signals}

    @contextmanager
    def passing(self, what: str, steps: list[tuple[str, str, str]]) -> Iterator[None]:
        number = len(self.passed)
        self.passed.append((what, steps))
        self._signal(number, what, "before")
        try:
            yield
        finally:
            self._signal(number, what, "after")

    def commit(self) -> Any:
        steps, self.written = self.written, []
        return self.passing("commit", steps)

    def call(self, method: str, path: str, headers: Mapping[str, str]) -> Any:
        named = _KEY.search(headers.get("Idempotency-Key", "")) or _KEY.search(path.replace("%3A", ":"))
        steps = [(self.definition, DIRECTIONS[named[2]], named[1])] if named else []
        return self.passing(f"{method} {_IDS.sub('/…', path.partition('?')[0])}", steps)

    def _signal(self, number: int, what: str, when: str) -> None:
        for at in (number, what):
            if (at, when) in self._signals:
                os.kill(os.getpid(), self._signals[at, when])


def watch(points: Points) -> None:
    """Pass a point at every COMMIT, every write outside a transaction, and every exchange with a peer."""
    _watch_sagas(points)
    commit, exchange = BaseDatabaseWrapper._commit, Connections._exchange  # type: ignore[attr-defined]

    def watched_commit(wrapper: BaseDatabaseWrapper) -> None:
        with points.commit():
            commit(wrapper)

    def watched_exchange(client: Connections, method: str, url: str, body: Any, headers: Mapping[str, str]) -> Any:
        with points.call(method, urlsplit(url)._replace(scheme="", netloc="").geturl(), headers):
            return exchange(client, method, url, body, headers)

    def watched_write(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if connection.in_atomic_block or not _WRITES.match(sql):
            return execute(sql, params, many, context)
        with points.commit():
            return execute(sql, params, many, context)

    BaseDatabaseWrapper._commit = watched_commit  # type: ignore[attr-defined]
    Connections._exchange = watched_exchange  # type: ignore[method-assign, assignment]
    connection.execute_wrappers.append(watched_write)


def _watch_sagas(points: Points) -> None:
    """Hear from the engine which saga it carries on, and which steps it is about to commit."""
    drive, write = engine.drive, Run._write

    def watched_drive(run: Run, **options: Any) -> None:
        points.definition = run.saga.definition
        drive(run, **options)

    def watched_write(run: Run, **lease: Any) -> None:
        points.written = [(run.saga.definition, step.direction, step.name) for step in run._steps.values()]
        write(run, **lease)

    engine.drive = watched_drive
    Run._write = watched_write  # type: ignore[method-assign, assignment]
