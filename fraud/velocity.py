"""Counts a customer's checkout attempts: one atomic add-and-count, keyed by the attempt.

The count is the attempt's rank among the customer's attempts of the window that ends with it, so a step that is
retried, or goes on after a crash, reads the number it read first, and concurrent attempts read different ones.
In Redis where there is one, else in the database, on the clock of the one that counts.
"""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

import redis
import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, DateTimeField, ExpressionWrapper, Q, Subquery
from redis.backoff import NoBackoff
from redis.retry import Retry

from fraud.models import VelocityAttempt
from fraud.rules import MAX_WINDOW_SECONDS

log = structlog.get_logger(__name__)

KEPT = timedelta(seconds=MAX_WINDOW_SECONDS) + timedelta(days=1)
"""How long an attempt is remembered: the longest window, and a day for attempts that are taken up again late."""

REDIS_TIMEOUT_SECONDS = 0.25
"""A checkout waits this long for Redis, twice at most, then counts in the database."""

_COUNT_IN_REDIS = """
local micros = function(number) return string.format('%.0f', number) end
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if at then
    at = tonumber(at)
else
    local time = redis.call('TIME')
    local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
    at = math.max(time[1] * 1000000 + time[2], last and tonumber(last) + 1 or 0)
    redis.call('ZADD', KEYS[1], micros(at), ARGV[1])
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', micros(at - ARGV[2] * 1000000))
    redis.call('EXPIRE', KEYS[1], ARGV[2])
end
local counts = {}
for position = 3, #ARGV do
    local since = '(' .. micros(at - ARGV[position] * 1000000)
    counts[position - 2] = redis.call('ZCOUNT', KEYS[1], since, micros(at))
end
return counts
"""
"""Scores are microseconds, made distinct: two attempts never share a rank."""

_ADD_TO_DATABASE = {
    # The lock is taken before the row gets its id, so that ids follow the order of commits for each customer.
    "postgresql": "INSERT INTO fraud_velocityattempt (key, attempt, at)"
    " SELECT %(key)s, %(attempt)s, clock_timestamp() FROM pg_advisory_xact_lock(hashtextextended(%(key)s, 0))"
    " ON CONFLICT (key, attempt) DO NOTHING",
    # An IMMEDIATE transaction is alone already.
    "sqlite": "INSERT INTO fraud_velocityattempt (key, attempt, at)"
    " VALUES (%(key)s, %(attempt)s, strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'))"
    " ON CONFLICT (key, attempt) DO NOTHING",
}


def count_attempt(attempt: str, customer: str, *, windows: Collection[int]) -> dict[int, int]:
    """Count this attempt of `customer` once; return its rank within each window, in seconds.

    To be called outside any transaction. Without Redis it commits one of its own.
    """
    if not windows:
        return {}
    key = hashlib.sha256(customer.encode()).hexdigest()
    if settings.REDIS_URL:
        try:
            return _count_in_redis(key, attempt, windows)
        except redis.RedisError as error:
            log.warning("velocity_store_failed", store="redis", error=str(error))
    return _count_in_database(key, attempt, windows)


def prune_velocity(now: datetime) -> int:
    """Forget attempts that no window reaches any more; return how many. Redis forgets by itself."""
    return VelocityAttempt.objects.older_than(now - KEPT).delete()[0]


def _count_in_redis(key: str, attempt: str, windows: Collection[int]) -> dict[int, int]:
    ordered = sorted(windows)
    arguments = [attempt, int(KEPT.total_seconds()), *ordered]
    counts = _script(settings.REDIS_URL)(keys=[f"paydesk:velocity:{key}"], args=arguments)
    return dict(zip(ordered, cast("list[int]", counts), strict=True))


@cache
def _script(url: str) -> Any:
    client = redis.Redis.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),  # A pooled connection may have been closed by a restart of Redis.
    )
    return client.register_script(_COUNT_IN_REDIS)


def _count_in_database(key: str, attempt: str, windows: Collection[int]) -> dict[int, int]:
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(_ADD_TO_DATABASE[connection.vendor], {"key": key, "attempt": attempt})
        return _ranks(key, attempt, windows)


def _ranks(key: str, attempt: str, windows: Collection[int]) -> dict[int, int]:
    own = VelocityAttempt.objects.filter(key=key, attempt=attempt)
    own_at = Subquery(own.values("at"))
    since = {w: ExpressionWrapper(own_at - timedelta(seconds=w), DateTimeField()) for w in windows}
    up_to_own = VelocityAttempt.objects.filter(key=key, pk__lte=Subquery(own.values("pk")))
    counts = up_to_own.filter(at__gt=since[max(windows)]).aggregate(
        **{str(window): Count("pk", filter=Q(at__gt=start)) for window, start in since.items()}
    )
    return {window: counts[str(window)] for window in windows}
