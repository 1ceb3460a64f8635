"""The other side of `tests.crash.child`: hands tasks to processes that may be told where to die."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Point:
    """A place to die: `when` is `before` or `after`, `number` counts the commits and calls from 0."""

    number: int
    when: str
    what: str = ""

    def __str__(self) -> str:
        return f"{self.when} {self.what} ({self.number})"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended, and what it did: the points it passed and the answer it had for its client."""

    killed: bool = False
    points: list[str] = field(default_factory=list)
    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    rounds: int = 0


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

    def checkout(
        self, path: str, body: dict[str, Any], headers: Mapping[str, str], *, die: Point | None = None
    ) -> Ending:
        return self._perform("checkout", die, path=path, body=body, headers=dict(headers))

    def resume(self, *, die: Point | None = None) -> Ending:
        return self._perform("resume", die)

    def _perform(self, do: str, die: Point | None, **task: Any) -> Ending:
        where = {"die_at": die.number if die else None, "when": die.when if die else ""}
        self._lines.write(json.dumps({"do": do, **where, **task}) + "\n")
        self._lines.flush()
        answer = json.loads(self._lines.readline() or '{"error": "The process is gone."}')
        assert "error" not in answer, answer["error"]
        return Ending(**answer)
