"""Events are forgotten after `CLIENT_EVENT_DAYS`, together with what was sent of them."""

from datetime import timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orders.ids import first_id
from payments.models import ClientEvent, EventDelivery

BATCH: Final = 500
BATCHES: Final = 20
"""What one run of the job does at most; the next one goes on."""

log = structlog.get_logger(__name__)


def prune_events() -> None:
    """A periodic job. What is still on its way is kept; ids sort by time, so the oldest are found first."""
    until = first_id(timezone.now(), earlier=timedelta(days=settings.CLIENT_EVENT_DAYS))
    pruned = 0
    for _ in range(BATCHES):
        batch = _prune(until)
        pruned += batch
        if batch < BATCH:
            break
    if pruned:
        log.info("client_events_pruned", events=pruned)


def _prune(until: object) -> int:
    pending = EventDelivery.objects.pending().values("event")
    old = ClientEvent.objects.filter(pk__lt=until, fanned_out_at__isnull=False).exclude(pk__in=pending)
    with transaction.atomic():
        keys = list(old.order_by("pk").values_list("pk", flat=True)[:BATCH])
        EventDelivery.objects.filter(event__in=keys).exclude(state=EventDelivery.State.PENDING).delete()
        return ClientEvent.objects.filter(pk__in=keys, deliveries=None).delete()[0]
