"""How many signed events a second are taken in, and whether it matters to them what the worker does meanwhile."""

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks import deliveries, places, processes, serving
from benchmarks.load import Clients, Load
from benchmarks.processes import BenchmarkError, cpu_between, cpu_seconds
from tests.services import Service

CLIENTS: Final = 8
PROCESSES: Final = 2
WARM_UP: Final = 400
PACE: Final = 200
"""Events a second while waiting times are looked at: far below what is taken in, so that nobody queues."""
PLAIN: Final = (sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn", "benchmarks.plain_intake:application")
WORKER: Final = (sys.executable, "manage.py", "worker")

Figures = dict[str, float]


@dataclass(frozen=True)
class Size:
    """So many `events` in each round, as fast as they are taken; and a third of them at an even pace."""

    rounds: int
    events: int


def measure(postgresql: Service, size: Size) -> dict[str, Any]:
    """The medians of all rounds: of Paydesk, of the reference, and of Paydesk with and without a worker at work."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="paydesk-bench-")))
        ours, theirs = (stack.enter_context(places.database(postgresql, name)) for name in ("webhooks", "plain"))
        ports = serving.free_ports(2)
        env, plain = (_settings(url, port) for url, port in zip((ours, theirs), ports, strict=True))
        processes.speak("benchmarks.seed", env=env)
        processes.speak("benchmarks.plain_intake", env=plain)
        web = stack.enter_context(serving.server(serving.WEB, ports[0], env, folder / "web.log"))
        plain_web = stack.enter_context(serving.server(PLAIN, ports[1], plain, folder / "plain.log"))
        sides = {"paydesk": _Side(ports[0], web), "plain": _Side(ports[1], plain_web)}
        rounds = [_round(sides, size, env, folder) for _ in range(size.rounds)]
    return {name: _medians([figures[name] for figures in rounds]) for name in rounds[0]}


def _settings(url: str, port: int) -> dict[str, str]:
    return serving.production(
        url, None, port=port, processes=PROCESSES, GATEWAYS="stripe", DEFAULT_GATEWAY="stripe",
        STRIPE_API_KEY="sk_test_benchmark", STRIPE_WEBHOOK_SECRETS=deliveries.SECRET,
    )  # fmt: skip


class _Side:
    """A server, and how many events it has been sent."""

    def __init__(self, port: int, pid: int) -> None:
        self._port = port
        self._pid = pid
        self._sent = 0

    def flood(self, number: int) -> Figures:
        """As many as it takes."""
        before = cpu_seconds(processes.family(self._pid))
        load = self._drive(iter(self._ready(number)))
        cpu = cpu_between(before, cpu_seconds(processes.family(self._pid))) / load.done * 1000
        return {**_times(load), "rate": load.rate, "web_cpu_ms": cpu}

    def drip(self, number: int) -> Figures:
        """At an even pace."""
        return _times(self._drive(deliveries.paced(self._ready(number), rate=PACE)))

    def _ready(self, number: int) -> list[bytes]:
        """Signed beforehand."""
        self._sent += number
        return deliveries.requests(number, port=self._port, first=self._sent - number)

    def _drive(self, items: Iterator[bytes]) -> Load:
        """Over new connections, for a server closes those on which nothing comes for a while."""
        with Clients(CLIENTS) as clients:
            return clients.drive(deliveries.Sender(self._port).send, items)


def _round(sides: dict[str, _Side], size: Size, env: dict[str, str], folder: Path) -> dict[str, Figures]:
    figures = {}
    for name, side in sides.items():
        side.flood(WARM_UP)
        figures[name] = side.flood(size.events)
    figures["alone"] = sides["paydesk"].drip(size.events // 3)
    with processes.running(WORKER, env=env, log=folder / "worker.log"):
        _wait_for_work(env["DATABASE_URL"])
        figures["beside a worker"] = sides["paydesk"].drip(size.events // 3)
    return figures


def _wait_for_work(url: str) -> None:
    """Until the worker has begun to act on what has come: starting takes it seconds of CPU that no event costs."""
    deadline = time.monotonic() + serving.READY_SECONDS
    with psycopg.connect(url, autocommit=True) as database:
        before = _attempts(database)
        while _attempts(database) == before:
            if time.monotonic() > deadline:
                raise BenchmarkError("the worker acts on nothing")
            time.sleep(0.05)


def _attempts(database: psycopg.Connection) -> int:
    row = database.execute("SELECT sum(attempts) FROM payments_webhookevent").fetchone()
    return int(row[0] or 0) if row else 0


def _times(load: Load) -> Figures:
    return {f"p{percent}_ms": load.percentile(percent) for percent in (50, 95, 99)}


def _medians(rounds: list[Figures]) -> Figures:
    return {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
