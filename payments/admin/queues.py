"""The sagas that want to be looked at, by why."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from payments.models import SagaExecution

State = SagaExecution.State

LATE: Final = timedelta(minutes=1)
"""A saga that nobody has taken so long after it was due is slow."""
LONG: Final = timedelta(minutes=10)
"""So is one that has been at work for so long: what waits for somebody does not work."""
WORKING: Final = (State.PENDING, State.RUNNING, State.COMPENSATING)


def _slow() -> Q:
    is_late = Q(next_run_at__lt=Now() - LATE)
    return Q(state__in=SagaExecution.ACTIVE, is_paused=False) & (
        is_late | Q(state__in=WORKING, created_at__lt=Now() - LONG)
    )


_QUEUES: Final[Mapping[str, tuple[str, Callable[[], Q]]]] = {
    "attention": ("Needs attention", lambda: Q(state=State.NEEDS_ATTENTION)),
    "failed": ("Failed compensation", lambda: Q(state=State.FAILED_COMPENSATION)),
    "approval": ("Awaits approval", lambda: Q(interventions__state="awaiting_approval")),
    "waiting": ("Waiting", lambda: Q(state=State.WAITING, is_paused=False)),
    "slow": ("Slow", _slow),
    "paused": ("Paused", lambda: Q(is_paused=True)),
}


class QueueFilter(admin.SimpleListFilter):
    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(name, label) for name, (label, _) in _QUEUES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = _QUEUES.get(self.value() or "")
        return queryset.filter(chosen[1]()) if chosen else queryset
