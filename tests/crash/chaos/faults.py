"""Does to a site what the plan says, and counts it.

For the main thread alone: a server ends with the thread that has started it.
"""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final, TypeVar

import psycopg
import redis
from urllib3.exceptions import HTTPError

from tests.crash.chaos.plan import GATEWAY, Trouble
from tests.crash.chaos.site import LEASE_SECONDS, Kept, Site
from tests.services import Service

STOPPED_SECONDS: Final = LEASE_SECONDS + 1.5
DOWN_SECONDS: Final = 0.5
STANDSTILL_SECONDS: Final = 10.0
"""Whoever waits for something may need the next fault to go on waiting for it."""

Item = TypeVar("Item")


class Faults:
    """`done` counts what was really done, by kind."""

    def __init__(self, site: Site) -> None:
        self.done: Counter[str] = Counter()
        self._site = site
        self._frozen: list[threading.Thread] = []

    def run(self, troubles: Iterator[Trouble], *, progress: Callable[[], int], until: Callable[[], bool]) -> None:
        """Each when `progress` has come so far, or has stood still; the site is left whole in the end."""
        for trouble in troubles:
            _wait_for(trouble, progress, until)
            if until():
                break
            with suppress(HTTPError, OSError, psycopg.Error, redis.RedisError):  # it is down already
                self._do(trouble)
                self.done[trouble.kind] += 1
        for thread in self._frozen:
            thread.join()
        self._site.sandbox.clear_faults()

    def _do(self, trouble: Trouble) -> None:
        if trouble.kind in GATEWAY:
            self._site.sandbox.fault(trouble.kind, **trouble.how)
        else:
            _DO[trouble.kind](self, trouble.how["which"])

    def kill_worker(self, which: float) -> None:
        os.kill(_pick(self._site.workers, which).pid, signal.SIGKILL)

    def kill_web_process(self, which: float) -> None:
        os.kill(self._web_process(which), signal.SIGKILL)

    def kill_web_server(self, _which: float) -> None:
        os.kill(self._web.pid, signal.SIGKILL)

    def kill_sandbox(self, _which: float) -> None:
        self._site.sandbox.kill()
        self._site.sandbox.start()

    def freeze_worker(self, which: float) -> None:
        self._freeze(_pick(self._site.workers, which).pid)

    def freeze_web_process(self, which: float) -> None:
        self._freeze(self._web_process(which))

    def kill_redis(self, _which: float) -> None:
        _restart(self._site.redis, signal.SIGKILL)

    def flush_redis(self, _which: float) -> None:
        with redis.Redis.from_url(_there(self._site.redis).url) as client:
            client.flushall()

    def terminate_one(self, which: float) -> None:
        self._terminate(lambda pids: [_pick(pids, which)])

    def terminate_all(self, _which: float) -> None:
        self._terminate(lambda pids: pids)

    def restart_postgresql(self, _which: float) -> None:
        _restart(self._site.database, signal.SIGINT)

    def crash_postgresql(self, _which: float) -> None:
        _restart(self._site.database, signal.SIGQUIT)

    @property
    def _web(self) -> Kept:
        return _there(self._site.web)

    def _web_process(self, which: float) -> int:
        return _pick(self._web.children(), which)

    def _freeze(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)

        def thaw() -> None:
            time.sleep(STOPPED_SECONDS)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        thread = threading.Thread(target=thaw)
        thread.start()
        self._frozen.append(thread)

    def _terminate(self, choose: Callable[[list[int]], list[int]]) -> None:
        with psycopg.connect(_there(self._site.database).url, connect_timeout=2) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchall()
            for pid in choose([pid for (pid,) in rows]):
                connection.execute("SELECT pg_terminate_backend(%s)", [pid])


_DO: Final[dict[str, Callable[[Faults, float], None]]] = {
    "SIGKILL of a worker": Faults.kill_worker,
    "SIGKILL of a web process": Faults.kill_web_process,
    "SIGKILL of the web server": Faults.kill_web_server,
    "SIGKILL of the sandbox": Faults.kill_sandbox,
    "SIGSTOP of a worker past its lease": Faults.freeze_worker,
    "SIGSTOP of a web process past its lease": Faults.freeze_web_process,
    "Redis killed": Faults.kill_redis,
    "Redis flushed": Faults.flush_redis,
    "pg_terminate_backend of one": Faults.terminate_one,
    "pg_terminate_backend of all": Faults.terminate_all,
    "PostgreSQL restarted": Faults.restart_postgresql,
    "PostgreSQL crashed": Faults.crash_postgresql,
}


def _restart(service: Service | None, number: signal.Signals) -> None:
    server = _there(_there(service).server)
    server.end(number)
    time.sleep(DOWN_SECONDS)
    server.start()


def _pick(items: Sequence[Item], which: float) -> Item:
    """`which` is from 0 up to 1. Raise ProcessLookupError when there is nothing to pick."""
    if not items:
        raise ProcessLookupError
    return items[int(which * len(items))]


def _there(thing: Item | None) -> Item:
    if thing is None:
        raise ProcessLookupError
    return thing


def _wait_for(trouble: Trouble, progress: Callable[[], int], until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + STANDSTILL_SECONDS
    while progress() < trouble.comes_at and time.monotonic() < deadline and not until():
        time.sleep(0.02)
