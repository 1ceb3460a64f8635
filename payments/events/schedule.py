"""What an answer means, and when to try again: pure. Follows Standard Webhooks 1.0.0, "Operational considerations"."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import uniform

PATIENCE = timedelta(days=3)
"""A message is tried for so long."""
BACK_OFF_BASE, BACK_OFF_FACTOR, BACK_OFF_CAP = timedelta(seconds=5), 4, timedelta(hours=6)
LONGEST_PAUSE = timedelta(hours=24)
"""However long a receiver asks for."""
BEARABLE_FAILURES = 3
LONGEST_REST = timedelta(minutes=1)


def is_delivered(status: int) -> bool:
    return 200 <= status < 300


def is_gone(status: int) -> bool:
    """The receiver says that it wants nothing any more."""
    return status == 410


def pause_before(attempts: int, *, retry_after: str, now: datetime | None) -> timedelta:
    """5 s, 20 s, 80 s ... up to 6 h, a quarter of it at random; not less than the receiver asks for.

    `attempts` is how many there were, `retry_after` the header of its answer, `now` when it came.
    """
    exponent = min(attempts - 1, 12)  # beyond, the cap holds anyway
    back_off: timedelta = min(BACK_OFF_CAP, BACK_OFF_BASE * BACK_OFF_FACTOR**exponent) * uniform(0.75, 1)  # noqa: S311
    return max(back_off, min(_asked_for(retry_after, now), LONGEST_PAUSE))


def rest_after(failures: int) -> timedelta:
    """How long an endpoint is left alone after so many failures in a row: who did not get one hardly gets the next."""
    if failures < BEARABLE_FAILURES:
        return timedelta(0)
    return min(LONGEST_REST, timedelta(seconds=2 ** min(failures - BEARABLE_FAILURES, 6)))


def _asked_for(retry_after: str, now: datetime | None) -> timedelta:
    """Seconds, or a date (RFC 9110, 10.2.3); nothing else asks for anything."""
    if retry_after.isascii() and retry_after.isdecimal():
        return timedelta(seconds=min(int(retry_after[:9]), 10**6))
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return timedelta(0)
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(until - now, timedelta(0)) if now else timedelta(0)
