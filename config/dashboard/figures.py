"""Numbers that lead to the list they were counted in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.db.models import Count, Min, Q, QuerySet
from django.urls import reverse

from orders.admin.marks import Tone
from orders.models import ACCESS_ALL_CLIENTS

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

_UNITS: Final = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))


@dataclass(frozen=True, slots=True)
class Figure:
    label: str
    value: str
    url: str
    note: str = ""
    tone: Tone = "quiet"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows there are, and the earliest of the moments asked for."""

    count: int
    first: datetime | None = None
    due: datetime | None = None


def tallies(rows: QuerySet[Any], kinds: Mapping[str, Q], *, at: str, due: str = "") -> dict[str, Tally]:
    """Count `rows` by kind in one query."""
    asked: dict[str, Any] = {}
    for name, condition in kinds.items():
        asked[f"{name}_count"] = Count("pk", filter=condition)
        asked[f"{name}_first"] = Min(at, filter=condition)
        if due:
            asked[f"{name}_due"] = Min(due, filter=condition)
    found = rows.aggregate(**asked)
    return {name: Tally(found[f"{name}_count"], found[f"{name}_first"], found.get(f"{name}_due")) for name in kinds}


def visible(rows: QuerySet[Any], user: "User | AnonymousUser", client: str) -> QuerySet[Any]:
    return rows if user.has_perm(ACCESS_ALL_CLIENTS) else rows.filter(**{client: user.pk})


def listing(name: str, **query: object) -> str:
    """The address of a list, filtered."""
    address = reverse(f"admin:{name}_changelist")
    return f"{address}?{urlencode(query)}" if query else address


def span(length: timedelta) -> str:
    """A length of time in its largest unit and the next one."""
    for position, (unit, name) in enumerate(_UNITS):
        if length >= unit:
            count, rest = divmod(length, unit)
            smaller, small_name = _UNITS[min(position + 1, len(_UNITS) - 1)]
            more = f" {rest // smaller} {small_name}" if rest >= smaller else ""
            return f"{count} {name}{more}"
    return "under a minute"


def age(tally: Tally, now: datetime) -> str:
    return f"oldest {span(now - tally.first)}" if tally.first else ""
