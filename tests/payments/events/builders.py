"""Endpoints of a client, what is sent to them, and time that goes by."""

import json
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from standardwebhooks import Webhook

from orders.models import Order
from payments.events import endpoints
from payments.events.rounds import relay_next
from payments.models import ClientEvent, EventDelivery, WebhookEndpoint, WebhookSecret
from tests.orders.builders import make_client, make_order
from tests.payments.alerts.builders import Receiver

ELSEWHERE = "https://hooks.example.com/paydesk"


@transaction.atomic
def make_endpoint(client: Any = None, url: str = ELSEWHERE, *kinds: str) -> WebhookEndpoint:
    return endpoints.create(client or make_client(), url=url, kinds=kinds)[0]


def make_event(client: Any = None, status: str = "cancelled", *, order: Order | None = None) -> ClientEvent:
    """That of an order that has just moved there."""
    order = order or make_order(client)
    order.move(Order.Status(status))
    return ClientEvent.objects.filter(subject=order.public_id).latest("sequence")


def relay() -> None:
    """Everything that is due now."""
    while relay_next():
        pass


def delivery_of(event: ClientEvent) -> EventDelivery:
    return EventDelivery.objects.select_related("event", "endpoint").get(event=event)


def key_of(endpoint: WebhookEndpoint) -> str:
    return WebhookSecret.objects.get(endpoint=endpoint, expires_at=None).key


def verified(endpoint: WebhookEndpoint, post: tuple[dict[str, str], bytes], *, key: str = "") -> Any:
    """What somebody else's library reads out of it."""
    headers, body = post
    return Webhook(key or key_of(endpoint)).verify(body, headers)


def told(receiver: Receiver) -> list[tuple[str, str]]:
    """Types and subjects, in the order in which they came."""
    bodies = [json.loads(body) for _headers, body in receiver.posts]
    return [(body["type"], body["data"]["id"]) for body in bodies]


def pass_time(**span: float) -> None:
    """What time would do to endpoints, secrets and messages."""
    by = timedelta(**span)
    _shift(EventDelivery, by, "next_attempt_at", "begun_at", "last_attempt_at", "delivered_at")
    _shift(WebhookEndpoint, by, "rests_until")
    _shift(WebhookSecret, by, "expires_at")


def _shift(model: Any, by: timedelta, *names: str) -> None:
    for name in names:
        model.objects.exclude(**{name: None}).update(**{name: F(name) - by})
