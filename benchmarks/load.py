"""Keeps several threads busy and takes the time. Standard library only: the reference's environment runs it too."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Self, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Load:
    """What was done. `cpu_seconds` are this process's own, all its threads together."""

    seconds: float
    cpu_seconds: float
    latencies: Sequence[float]

    @property
    def done(self) -> int:
        return len(self.latencies)

    @property
    def rate(self) -> float:
        return self.done / self.seconds

    def percentile(self, percent: int) -> float:
        """Milliseconds."""
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1] * 1000


class Clients:
    """So many threads, the same ones for every load: what they keep open, such as connections, stays open."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._pool = ThreadPoolExecutor(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def drive(self, work: Callable[[Item], object], items: Iterable[Item]) -> Load:
        """Work off `items`, each once, as fast as it goes; raise what any of them raises."""
        source, lock = iter(items), Lock()
        started, cpu_started = time.perf_counter(), time.process_time()
        loops = [self._pool.submit(_work_off, work, source, lock) for _ in range(self.number)]
        latencies = [latency for loop in loops for latency in loop.result()]
        return Load(time.perf_counter() - started, time.process_time() - cpu_started, latencies)


def _work_off(work: Callable[[Item], object], source: Iterator[Item], lock: Lock) -> list[float]:
    latencies: list[float] = []
    while True:
        with lock:  # a generator is no friend of threads
            taken = list(itertools.islice(source, 1))
        if not taken:
            return latencies
        started = time.perf_counter()
        work(taken[0])
        latencies.append(time.perf_counter() - started)


def numbers_for(seconds: float) -> Iterator[int]:
    """Count until the time is up."""
    until = time.perf_counter() + seconds
    return itertools.takewhile(lambda _: time.perf_counter() < until, itertools.count())
