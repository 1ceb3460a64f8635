"""The other side of `tests.crash.child`: hands tasks to processes that may be told where to die, or to stop."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

ROOT = Path(__file__).resolve().parent.parent.parent


class Step(NamedTuple):
    """A step of a saga, in one direction."""

    definition: str
    direction: str
    name: str


@dataclass(frozen=True, slots=True)
class Point:
    """A place to die: `when` is `before` or `after`, `number` counts the commits and calls from 0.

    `steps` are those that the commit writes down, or the one that calls. Instead of `number`, `what` may be named.
    """

    number: int | str
    when: str
    what: str = ""
    steps: tuple[Step, ...] = ()
    signal: str = "SIGKILL"

    def __str__(self) -> str:
        about = ", ".join(step.name for step in self.steps) or "no step"
        return f"{self.when} {self.what} of {about} ({self.number})"

    @property
    def is_commit(self) -> bool:
        return self.what == "commit"

    def at(self, when: str, *, signal: str = "SIGKILL") -> "Point":
        return replace(self, when=when, signal=signal)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended, and what it did: the points it passed and the answer it had for its client."""

    killed: bool = False
    stopped: int = 0
    lost_database: bool = False
    points: tuple[Point, ...] = ()
    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    rounds: int = 0

    @property
    def calls(self) -> list[Point]:
        return [point for point in self.points if not point.is_commit]


class Processes:
    """A process that forks one for each task. A context manager."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**environment, "DJANGO_SETTINGS_MODULE": "config.settings"}

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.crash.child", str(theirs.fileno())]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL
        )
        theirs.close()
        self._lines = ours.makefile("rw", encoding="utf-8")
        ours.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._process.wait(timeout=10)

    def request(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str], *signals: Point | None, build: str = ""
    ) -> Ending:
        """One request to the API. `build` is one of `tests.crash.builds`."""
        what = {"path": path, "body": dict(body), "headers": dict(headers), "build": build}
        return self._perform(task("request", *signals, **what))

    def resume(self, *signals: Point | None, build: str = "") -> Ending:
        """A worker, until no saga is due."""
        return self._perform(task("resume", *signals, build=build))

    def take_in(self, *signals: Point | None) -> Ending:
        """A worker, until no webhook is due."""
        return self._perform(task("take_in", *signals))

    def together(self, tasks: Sequence[Mapping[str, Any]]) -> list[Ending]:
        """Each by a process of its own, all at once."""
        return self._ask(list(tasks))

    def go_on(self, stopped: int) -> Ending:
        """SIGCONT to a process that has stopped itself."""
        return self._ask(stopped)[0]

    def _perform(self, one: Mapping[str, Any]) -> Ending:
        return self._ask([one])[0]

    def _ask(self, asked: list[Mapping[str, Any]] | int) -> list[Ending]:
        self._lines.write(json.dumps(asked) + "\n")
        self._lines.flush()
        answers = json.loads(self._lines.readline() or '[{"error": "The process is gone."}]')
        for answer in answers:
            assert "error" not in answer, answer["error"]
        return [_ending(answer) for answer in answers]


def task(do: str, *signals: Point | None, **what: Any) -> dict[str, Any]:
    """One of the tasks of `tests.crash.child`, whose process gets a signal at each of these points."""
    named = [(point.number, point.when, point.signal) for point in signals if point is not None]
    return {"do": do, "signals": named, **what}


def _ending(answer: dict[str, Any]) -> Ending:
    passed = enumerate(answer.pop("points", ()))
    points = (Point(number, "", what, tuple(Step(*step) for step in steps)) for number, (what, steps) in passed)
    return Ending(points=tuple(points), **answer)
