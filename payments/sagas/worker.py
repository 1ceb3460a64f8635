"""The embedded worker: several threads that claim whatever is due, and one round of periodic jobs after another.

It needs nothing but the database, so it is also what makes a lost broker harmless.
"""

import os
import socket
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import structlog
from django.db import close_old_connections, connections
from django.utils.module_loading import import_string

from payments.sagas import engine

log = structlog.get_logger(__name__)

PAUSE_AFTER_FAULT = 2.0
"""Seconds a thread rests after an error, so that a database that is away is not hammered."""


class Worker:
    """`poll` and `job_interval` in seconds; `inbox` acts on one thing that has come in, False when there is none.

    Each of `relays` sends one thing that is to go out, False likewise, on a thread of its own: it waits long.
    """

    def __init__(
        self,
        *,
        threads: int,
        poll: float,
        inbox: Callable[[], bool],
        jobs: Iterable[str],
        job_interval: float,
        relays: Collection[Callable[[], bool]] = (),
    ) -> None:
        self.threads = threads
        self.poll = poll
        self.inbox = inbox
        self.relays = relays
        self.jobs = {path: import_string(path) for path in jobs}
        self.job_interval = job_interval
        self.owner = f"worker:{socket.gethostname()[:48]}:{os.getpid()}:{uuid4().hex[:8]}"
        self._stopping = Event()

    def stop(self) -> None:
        """Finish the exchange in hand, let every lease go, and return from `run`."""
        self._stopping.set()

    def run(self) -> None:
        log.info("worker_started", owner=self.owner, threads=self.threads)
        with ThreadPoolExecutor(self.threads + len(self.relays) + 2, thread_name_prefix="worker") as pool:
            futures = [pool.submit(self._repeat, self._work, self.poll) for _ in range(self.threads)]
            futures += [pool.submit(self._repeat, relay, self.poll) for relay in self.relays]
            futures.append(pool.submit(self._repeat, self.inbox, self.poll))
            futures.append(pool.submit(self._repeat, self._run_jobs, self.job_interval))
            for future in futures:
                future.result()
        log.info("worker_stopped", owner=self.owner)

    def _repeat(self, do: Callable[[], bool], pause: float) -> None:
        try:
            while not self._stopping.is_set():
                if not self._safely(do):
                    self._stopping.wait(pause)
        finally:
            connections.close_all()

    def _safely(self, do: Callable[[], bool]) -> bool:
        """Whether there may be more to do at once. A worker survives whatever one round brings."""
        try:
            close_old_connections()
            return do()
        except Exception:
            log.exception("worker_round_failed")
            self._stopping.wait(PAUSE_AFTER_FAULT)
            return False

    def _work(self) -> bool:
        return engine.advance_next(owner=self.owner, should_stop=self._stopping.is_set)

    def _run_jobs(self) -> bool:
        for path, job in self.jobs.items():
            try:
                job()
            except Exception:
                log.exception("periodic_job_failed", job=path)
        return False
