"""Where requests are counted: in Redis, in this process's memory, or in the database. Each decides as it counts.

All are sliding window counters: what this window has counted, and of the window before as much as the last period
still covers. What is refused is not counted, so whoever waits as long as told is let through.
"""

from math import inf
from threading import Lock
from time import monotonic
from typing import Final, Protocol

import redis
import structlog
from django.db import connection
from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.models import RateWindow

REDIS_TIMEOUT_SECONDS: Final = 0.25
"""A request waits this long for Redis, twice at most, then counts in memory."""
REDIS_PAUSE_SECONDS: Final = 5.0
"""How long a Redis that has failed is left alone, so that it costs one request in so long a time."""
KEPT_SECONDS: Final = 3600
"""How much longer than needed a window stays in the database: this machine's clock may differ from the database's."""

log = structlog.get_logger(__name__)


class Counter(Protocol):
    def take(self, name: str, rate: RateLimitItem) -> float | None:
        """Take one of the requests that `rate` allows `name`: None, or the seconds until one is left again."""


class Memory:
    """This process's own, and gone with it. The lock: among threads the library lets too few pass."""

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        self._lock = Lock()

    def take(self, name: str, rate: RateLimitItem) -> float | None:
        with self._lock:
            return _take(self._storage, name, rate)


class Redis:
    """Shared by all processes, in a script that Redis runs as one step; counts in memory while Redis is away."""

    def __init__(self, url: str) -> None:
        pool = redis.ConnectionPool.from_url(
            url,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),  # A pooled connection may have been closed by a restart of Redis.
        )
        self._storage = RedisStorage(url, connection_pool=pool, key_prefix="paydesk:rate")
        self._meanwhile = Memory()
        self._is_away_until = -inf

    def take(self, name: str, rate: RateLimitItem) -> float | None:
        if monotonic() < self._is_away_until:
            return self._meanwhile.take(name, rate)
        try:
            return _take(self._storage, name, rate)
        except redis.RedisError as error:
            self._is_away_until = monotonic() + REDIS_PAUSE_SECONDS
            log.warning("rate_limit_store_failed", store="redis", error=str(error))
            return self._meanwhile.take(name, rate)


def _take(storage: MemoryStorage | RedisStorage, name: str, rate: RateLimitItem) -> float | None:
    key, period = rate.key_for(name), rate.get_expiry()
    if storage.acquire_sliding_window_entry(key, rate.amount, period):
        return None
    previous, _, count, kept_for = storage.get_sliding_window(key, period)  # a window is kept for a period more
    return _wait(rate, count=count, previous=previous, left=kept_for - period)


def _wait(rate: RateLimitItem, *, count: int, previous: int, left: float) -> float:
    """Seconds until one more is allowed, in a window that goes on for `left` seconds.

    The window before counts for less and less, until enough of it is forgotten; a window that is full by itself has to
    end. The library's own figure is not used: it is 0 in the first millisecond of a window.
    """
    return left - (rate.amount - count) * rate.get_expiry() / max(previous, 1)


class Database:
    """Shared by all processes, at the price of a commit for each request."""

    def take(self, name: str, rate: RateLimitItem) -> float | None:
        period = rate.get_expiry() * 1000
        values: dict[str, str | int] = {"name": rate.key_for(name), "limit": rate.amount, "period": period}
        take, look = _STATEMENTS[connection.vendor]
        with connection.cursor() as cursor:
            cursor.execute(take, values)
            if cursor.fetchall():
                return None
            cursor.execute(look, values)
            ends_at, count, previous, now = cursor.fetchone()
        return _wait(rate, count=count, previous=previous, left=(ends_at - now) / 1000)


def _statements(*, now: str, largest: str) -> tuple[str, str]:
    """To take one, which returns a row if there was one; and to look why there was none. In milliseconds.

    A conflict locks the row before anything is compared, so many at once are decided one after the other. Whoever
    waited for the row while its window was replaced joins the newer one.
    """
    period = "CAST(%(period)s AS bigint)"
    is_this_window = "kept.ends_at >= excluded.ends_at"
    is_window_before = f"kept.ends_at = excluded.ends_at - {period}"
    count = f"CASE WHEN {is_this_window} THEN kept.count ELSE 0 END"
    previous = f"CASE WHEN {is_this_window} THEN kept.previous WHEN {is_window_before} THEN kept.count ELSE 0 END"
    ends_at = f"{largest}(kept.ends_at, excluded.ends_at)"
    take = f"""
        INSERT INTO config_ratewindow AS kept (name, ends_at, count, previous)
        VALUES (%(name)s, ({now} / {period} + 1) * {period}, 1, 0)
        ON CONFLICT (name) DO UPDATE SET ends_at = {ends_at}, count = {count} + 1, previous = {previous}
        WHERE {previous} * {largest}({ends_at} - {now}, 0) < (%(limit)s - {count}) * {period}
        RETURNING count
    """  # noqa: S608  # of our own text alone
    look = f"SELECT ends_at, count, previous, {now} FROM config_ratewindow WHERE name = %(name)s"  # noqa: S608
    return take, look


_STATEMENTS: Final = {
    "postgresql": _statements(
        now="CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS bigint)", largest="GREATEST"
    ),
    "sqlite": _statements(now="CAST((julianday('now') - 2440587.5) * 86400000 AS integer)", largest="MAX"),
}


def prune(*, longest_seconds: int, now: float) -> int:
    """Forget the windows in the database that count no more, where no period is longer; return how many."""
    return RateWindow.objects.filter(ends_at__lt=(now - longest_seconds - KEPT_SECONDS) * 1000).delete()[0]
