"""Texts to moments in UTC. A local time that happens twice, or never, is refused unless the file says which it is."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

_MOMENT: Final = re.compile(
    r"(?P<date>\d{4}[-/]\d\d[-/]\d\d)"
    r"(?:[ T](?P<time>\d\d:\d\d(?::\d\d)?)(?:\.(?P<fraction>\d{1,9}))?(?: ?(?P<offset>Z|UTC|[+-]\d\d:?\d\d))?)?",
    re.ASCII,
)


@cache
def zone_named(name: str) -> tzinfo:
    """Raise ValueError for a name that is not in the IANA time zone database."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{name!r} is not the name of a time zone") from error


def moment(text: str, zone: tzinfo | None, *, abbreviation: str = "", is_date_enough: bool = False) -> datetime:
    """ISO 8601, also with slashes or without seconds. Raise ValueError when it does not name one moment.

    An offset in the text counts, else `zone`; `abbreviation` tells apart the two hours at the end of summer time.
    """
    found = _MOMENT.fullmatch(text)
    if found is None or not (found["time"] or is_date_enough):
        raise ValueError(f"{text!r} is not a time like 2026-01-31 23:59:59")
    date, time = found["date"].replace("/", "-"), found["time"] or "00:00"
    at = _existing(f"{date} {time}").replace(microsecond=int((found["fraction"] or "").ljust(6, "0")[:6]))
    if found["offset"]:
        return at.replace(tzinfo=_offset(found["offset"])).astimezone(UTC)
    return in_zone(at, zone, abbreviation=abbreviation)


def in_zone(at: datetime, zone: tzinfo | None, *, abbreviation: str = "") -> datetime:
    """The moment a clock in `zone` shows `at`. Raise ValueError when there is none, or are two."""
    if zone is None:
        raise ValueError(f"'{at}' has no time zone, and nobody has said which one is meant")
    if zone is UTC:
        return at.replace(tzinfo=UTC)
    both = [at.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    if both[0].utcoffset() == both[1].utcoffset():
        return both[0].astimezone(UTC)
    if both[0].astimezone(UTC).astimezone(zone).replace(tzinfo=None) != at:
        raise ValueError(f"'{at}' does not exist in {zone}: the clocks went forward")
    named = [each for each in both if each.tzname() == abbreviation]
    if not named:
        raise ValueError(f"'{at}' happens twice in {zone}: the clocks went back; a column in UTC would tell")
    return named[0].astimezone(UTC)


def _existing(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no day or time of the calendar") from error


def _offset(text: str) -> tzinfo:
    if text in {"Z", "UTC"}:
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError(f"{text!r} is not an offset from UTC")
    return timezone(timedelta(hours=hours, minutes=minutes) * (-1 if text[0] == "-" else 1))
