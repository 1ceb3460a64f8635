"""Days of the reader's time zone, as ranges of ids: those of `TypedModel` sort by the moment they were made at."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from orders.ids import first_id


def day_start(now: datetime, *, days_ago: int = 0) -> datetime:
    """Midnight before `now` in the active time zone, so many days earlier; a day may have 23 or 25 hours."""
    day = timezone.localtime(now).date() - timedelta(days=days_ago)
    return datetime.combine(day, time.min, tzinfo=timezone.get_current_timezone())


class CreatedFilter(admin.SimpleListFilter):
    """For rows with typed ids. A range of ids needs no index of its own, and the list is in their order already."""

    title = "created"
    parameter_name = "created"
    DAYS: ClassVar = {
        "today": (0, "today"),
        "7-days": (6, "in 7 days"),
        "14-days": (13, "in 14 days"),
        "30-days": (29, "in 30 days"),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(value, told) for value, (_days, told) in self.DAYS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in self.DAYS:
            return queryset
        days_ago, _told = self.DAYS[str(self.value())]
        return queryset.filter(pk__gte=first_id(day_start(timezone.now(), days_ago=days_ago)))
