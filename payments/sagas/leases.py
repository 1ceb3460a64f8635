"""Who may work on a saga, and until when: guarded updates on the database's clock, never on ours."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Value, When
from django.db.models.functions import Now

from payments.models import SagaExecution
from payments.sagas import registry

State = SagaExecution.State

NONE: dict[str, Any] = {"lease_owner": "", "lease_until": None}
"""What a saga nobody works on has."""


class OrderFacts(NamedTuple):
    """What others may have changed about an order since it was read."""

    status: str
    paid_minor: int
    cancel_requested_at: datetime | None


def duration() -> timedelta:
    return timedelta(seconds=settings.SAGA_LEASE_SECONDS)


def until() -> dict[str, Any]:
    """A lease from now on. The saga becomes due when it lapses, so a dead worker's saga needs no other mark."""
    return {"lease_until": Now() + duration(), "next_run_at": Now() + duration()}


def claim(saga_id: UUID, *, owner: str) -> bool:
    """Take the lease if the saga is due and nobody holds it; the epoch rises, which fences whoever held it."""
    due = SagaExecution.objects.due(registry.versions()).filter(pk=saga_id)
    return bool(
        due.update(
            lease_owner=owner,
            epoch=F("epoch") + 1,
            # A lease that lapsed instead of being let go is a worker that died.
            recoveries=Case(When(lease_owner="", then=F("recoveries")), default=F("recoveries") + 1),
            state=Case(When(direction="forward", then=Value(State.RUNNING)), default=Value(State.COMPENSATING)),
            **until(),
        )
    )


def claim_next(*, owner: str) -> UUID | None:
    """Claim the saga that has been due longest. Workers on PostgreSQL pass over each other's rows."""
    with transaction.atomic():
        due = SagaExecution.objects.due(registry.versions()).select_for_update(skip_locked=True)
        saga_id = due.values_list("pk", flat=True).first()
        return saga_id if saga_id is not None and claim(saga_id, owner=owner) else None


def take_over(saga_id: UUID, *, epoch: int) -> bool:
    """A person takes the saga, out of whoever's hands; False when it is no longer at the epoch that was seen."""
    return bool(SagaExecution.objects.filter(pk=saga_id, epoch=epoch).update(epoch=F("epoch") + 1, **NONE))


def hold(saga_id: UUID, *, epoch: int) -> OrderFacts | None:
    """Lock the saga's row, then its order's, for this transaction, which renews the lease by what it writes.

    None when the saga has been claimed by somebody else, paused or ended. What comes back is the order as it is now.
    """
    mine = SagaExecution.objects.filter(pk=saga_id, epoch=epoch, is_paused=False, state__in=SagaExecution.ACTIVE)
    facts = mine.select_for_update().values_list("order__status", "order__paid_minor", "order__cancel_requested_at")
    row = facts.first()
    return OrderFacts(*row) if row is not None else None
