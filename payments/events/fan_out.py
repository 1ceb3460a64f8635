"""Decide to which endpoints an event is sent: those that were there, and enabled, when it happened."""

from collections import defaultdict
from collections.abc import Iterable

from django.db import transaction
from django.db.models.functions import Now

from payments.models import ClientEvent, EventDelivery, WebhookEndpoint

BATCH = 100
"""Events that one commit decides about."""


def fan_out() -> bool:
    """Decide about the oldest events that nobody has decided about; False when there are none.

    Of several workers each takes others; should two take the same, the database keeps one message for each endpoint.
    """
    if not ClientEvent.objects.awaiting_fan_out().exists():
        return False
    with transaction.atomic():
        events = list(ClientEvent.objects.awaiting_fan_out().select_for_update(skip_locked=True)[:BATCH])
        EventDelivery.objects.bulk_create(_deliveries(events), ignore_conflicts=True)
        decided = ClientEvent.objects.filter(pk__in=[event.pk for event in events], fanned_out_at=None)
        return bool(decided.update(fanned_out_at=Now()))


def _deliveries(events: Iterable[ClientEvent]) -> list[EventDelivery]:
    endpoints = defaultdict(list)
    enabled = WebhookEndpoint.objects.filter(state=WebhookEndpoint.State.ENABLED)
    for endpoint in enabled.filter(client__in={event.client_id for event in events}).order_by("pk"):
        endpoints[endpoint.client_id].append(endpoint)
    return [
        EventDelivery(event=event, endpoint=endpoint)
        for event in events
        for endpoint in endpoints[event.client_id]
        if endpoint.enabled_at <= event.created_at and endpoint.wants(event.kind)
    ]
