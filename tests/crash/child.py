"""Processes to be killed: one that has imported everything, and its forks, each of which does one task.

A task may name the point (see `tests.crash.points`) at which its process kills, or stops, itself. Several tasks are
done by as many forks at once. Started by `tests.crash.processes`, which says what the tasks are.
"""

import gc
import json
import os
import signal
import socket
import sys
import tempfile
import traceback
from dataclasses import dataclass
from typing import IO, Any

import django

if __name__ == "__main__":
    django.setup()

from django.db import InterfaceError, OperationalError, transaction
from django.test import Client
from django.urls import get_resolver

from payments import tasks
from payments.sagas import engine
from payments.webhooks import inbox
from tests.crash import builds, chores
from tests.crash.points import Points, watch

MAX_ROUNDS = 40
"""More than a test leaves due, unless it says so."""


def request(task: dict[str, Any]) -> dict[str, Any]:
    """One request, through everything a request goes through."""
    answer = Client(raise_request_exception=False, SERVER_NAME="localhost").post(
        task["path"], task["body"], "application/json", headers=task["headers"]
    )
    return {"status": answer.status_code, "body": answer.content.decode(), "headers": dict(answer.headers)}


def resume(task: dict[str, Any]) -> dict[str, Any]:
    """What a worker does, until nothing is due."""
    rounds, most = 0, task.get("rounds", MAX_ROUNDS)
    while rounds < most and engine.advance_next(owner=f"worker:{os.getpid()}"):
        rounds += 1
    return {"rounds": rounds}


def take_in(task: dict[str, Any]) -> dict[str, Any]:
    """What a worker does about webhooks, until none is due."""
    rounds = 0
    while rounds < MAX_ROUNDS and inbox.apply_next():
        rounds += 1
    return {"rounds": rounds}


def deliver(task: dict[str, Any]) -> dict[str, Any]:
    """What a Celery worker does with one message."""
    tasks.advance(task["saga"])
    return {"rounds": 1}


TASKS = {"request": request, "resume": resume, "take_in": take_in, "deliver": deliver}


def perform(task: dict[str, Any]) -> dict[str, Any]:
    builds.become(task.get("build", ""))
    points = Points(task["signals"])
    watch(points)
    try:
        done = TASKS[task["do"]](task)
    except (InterfaceError, OperationalError):
        # A worker survives it, and the process that comes next is as good as its next round.
        return {"lost_database": True, "points": points.passed}
    except Exception:
        return {"error": traceback.format_exc()}
    assert not transaction.get_connection().in_atomic_block
    return {**done, "points": points.passed}


@dataclass
class Fork:
    """One task's process. `ending` waits for it to end, or to stop.

    It leaves its answer in a file without a name: a pipe holds 64 KiB, and who fills it waits for a reader.
    """

    pid: int
    left: IO[bytes]

    def ending(self) -> dict[str, Any]:
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            return {"stopped": self.pid}
        with self.left as file:
            file.seek(0)
            text = file.read()
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return {"killed": True}
        answer: dict[str, Any] = json.loads(text or b'{"error": "The process left nothing behind."}')
        return answer


def begin(tasks: list[dict[str, Any]]) -> list[Fork]:
    """A process for each task; all are let go at the same moment."""
    waiting, go = os.pipe()
    forks = [_fork(task, waiting, go) for task in tasks]
    os.close(go)
    os.close(waiting)
    return forks


def _fork(task: dict[str, Any], waiting: int, go: int) -> Fork:
    left = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed once it is read
    pid = os.fork()
    if pid == 0:
        try:
            os.close(go)
            os.read(waiting, 1)  # nothing comes: it ends when everybody has closed the other side
            left.write(json.dumps(perform(task)).encode())
        finally:
            os._exit(0)
    return Fork(pid, left)


class Server:
    """Does what is asked for in lines: a list of tasks to begin at once, or the process that shall go on."""

    def __init__(self) -> None:
        self._stopped: dict[int, Fork] = {}

    def answer(self, line: str) -> list[dict[str, Any]]:
        asked = json.loads(line)
        if isinstance(asked, int):
            os.kill(asked, signal.SIGCONT)
            return [self._ending(self._stopped.pop(asked))]
        return [self._ending(fork) for fork in begin(asked)]

    def _ending(self, fork: Fork) -> dict[str, Any]:
        ending = fork.ending()
        if "stopped" in ending:
            self._stopped[fork.pid] = fork
        return ending


def serve(peer: socket.socket) -> None:
    """The end of the input is the end."""
    server = Server()
    with peer.makefile("rw", encoding="utf-8") as lines:
        while line := lines.readline():
            lines.write(json.dumps(server.answer(line)) + "\n")
            lines.flush()


if __name__ == "__main__":
    # Once for all forks: what is imported late, and what the garbage collector would only copy in each of them.
    chores.know_them()
    get_resolver().url_patterns  # noqa: B018
    Client(SERVER_NAME="localhost").get("/healthz")
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
