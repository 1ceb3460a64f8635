"""Processes to be killed: one that has imported everything, and its forks, each of which does one task.

A task may name the point at which the process kills itself: before or after any commit and any call to a peer.
Started by `tests.crash.processes`, which says what the tasks are.
"""

import json
import os
import re
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client
from django.urls import get_resolver

from payments.gateways.http import JsonClient
from payments.sagas import engine

MAX_ROUNDS = 20
"""More sagas than any test leaves due."""
_IDS = re.compile(r"/[a-z]+_[0-9a-z]+")
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)


class Points:
    """Numbers the points a process passes, and kills it at the one it was told."""

    def __init__(self, die_at: int | None, when: str) -> None:
        self.passed: list[str] = []
        self._die_at = die_at
        self._when = when

    @contextmanager
    def passing(self, what: str) -> Iterator[None]:
        number = len(self.passed)
        self.passed.append(what)
        self._die_if(number, "before")
        try:
            yield
        finally:
            self._die_if(number, "after")

    def _die_if(self, number: int, when: str) -> None:
        if (number, when) == (self._die_at, self._when):
            os.kill(os.getpid(), signal.SIGKILL)


def watch(points: Points) -> None:
    """Pass a point at every COMMIT, every write outside a transaction, and every exchange with a peer."""
    commit, exchange = BaseDatabaseWrapper._commit, JsonClient._exchange  # type: ignore[attr-defined]

    def watched_commit(wrapper: BaseDatabaseWrapper) -> None:
        with points.passing("commit"):
            commit(wrapper)

    def watched_exchange(client: JsonClient, method: str, path: str, *rest: Any) -> Any:
        with points.passing(f"{method} {_IDS.sub('/…', path.partition('?')[0])}"):
            return exchange(client, method, path, *rest)

    def watched_write(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if connection.in_atomic_block or not _WRITES.match(sql):
            return execute(sql, params, many, context)
        with points.passing("commit"):
            return execute(sql, params, many, context)

    BaseDatabaseWrapper._commit = watched_commit  # type: ignore[attr-defined]
    JsonClient._exchange = watched_exchange  # type: ignore[method-assign, assignment]
    connection.execute_wrappers.append(watched_write)


def checkout(task: dict[str, Any]) -> dict[str, Any]:
    """One request, through everything a request goes through."""
    answer = Client(raise_request_exception=False, SERVER_NAME="localhost").post(
        task["path"], task["body"], "application/json", headers=task["headers"]
    )
    return {"status": answer.status_code, "body": answer.content.decode(), "headers": dict(answer.headers)}


def resume(_task: dict[str, Any]) -> dict[str, Any]:
    """What a worker does, until nothing is due."""
    rounds = 0
    while engine.advance_next(owner=f"worker:{os.getpid()}") and rounds < MAX_ROUNDS:
        rounds += 1
    return {"rounds": rounds}


TASKS = {"checkout": checkout, "resume": resume}


def perform(task: dict[str, Any]) -> dict[str, Any]:
    points = Points(task["die_at"], task["when"])
    watch(points)
    try:
        done = TASKS[task["do"]](task)
    except Exception:
        return {"error": traceback.format_exc()}
    assert not transaction.get_connection().in_atomic_block
    return {**done, "points": points.passed}


def perform_in_fork(task: dict[str, Any]) -> dict[str, Any]:
    """What the fork answered; `killed` when it did not live to."""
    receiver, sender = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receiver)
        os.write(sender, json.dumps(perform(task)).encode())
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return {"killed": True}
    answer: dict[str, Any] = json.loads(text)
    return answer


def serve(peer: socket.socket) -> None:
    """One task a line, one answer a line; the end of the input is the end."""
    with peer.makefile("rw", encoding="utf-8") as lines:
        while line := lines.readline():
            lines.write(json.dumps(perform_in_fork(json.loads(line))) + "\n")
            lines.flush()


if __name__ == "__main__":
    get_resolver().url_patterns  # noqa: B018  # imports every view, once for all forks
    serve(socket.socket(fileno=int(sys.argv[1])))
