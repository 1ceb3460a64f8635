"""Checkouts through Adyen's adapter, and its events on their way in."""

import json
from typing import Any

from Adyen.util import generate_notification_sig
from django.db.models.functions import Now
from django.test import Client

from payments.models import SagaExecution, WebhookEvent
from payments.sagas import engine
from payments.webhooks import inbox
from tests.orders.builders import make_order
from tests.payments.builders import LONG_AGO, advance, begin_checkout, step_of
from tests.payments.gateways.conformance.adyen import OnAdyen
from tests.peers import adyen as stand_in


def begin(card: str = stand_in.GOOD) -> SagaExecution:
    return begin_checkout(make_order(), OnAdyen.method(card), gateway="adyen")


def checkout(card: str = stand_in.GOOD) -> SagaExecution:
    """As far as it goes by itself: Adyen has taken note of the capture."""
    return advance(begin(card))


def key_of(saga: SagaExecution, name: str) -> str:
    return step_of(saga, name).key


def event(adyen: OnAdyen, kind: str, key: str) -> bytes:
    """What Adyen has sent of the request under this key."""
    return adyen.receiver.wait_for(f'"{kind}"', f'"{key}"').body


def post(body: bytes) -> int:
    return Client().post("/v1/webhooks/adyen", body, "application/json").status_code


def act_on_all() -> None:
    WebhookEvent.objects.filter(status="received").update(next_attempt_at=Now() - LONG_AGO)
    while inbox.apply_next():
        pass


def deliver(adyen: OnAdyen, kind: str, key: str) -> WebhookEvent:
    """Adyen's event comes in, and is acted on."""
    return take_in(event(adyen, kind, key))


def take_in(body: bytes) -> WebhookEvent:
    assert post(body) == 200
    act_on_all()
    return WebhookEvent.objects.latest("pk")


def go_on(saga: SagaExecution) -> SagaExecution:
    """A worker finds the saga due, which it is only if it was woken."""
    assert engine.advance(saga.pk, owner="worker:woken"), f"{saga} was not woken"
    saga.refresh_from_db()
    return saga


def signed(kind: str, *, psp: str, original: str = "", key: str, amount: int = 25_00, success: str = "true") -> bytes:
    """An event as Adyen would send it, though nothing of the kind has happened at the stand-in."""
    item: dict[str, Any] = {
        "amount": {"value": amount, "currency": "USD"},
        "eventCode": kind,
        "merchantAccountCode": stand_in.ACCOUNT,
        "merchantReference": key,
        "originalReference": original,
        "pspReference": psp,
        "success": success,
    }
    signature = generate_notification_sig(item, stand_in.HMAC_KEY).decode()
    return delivered({**item, "additionalData": {"hmacSignature": signature}})


def delivered(*items: dict[str, Any]) -> bytes:
    """The body in which events come."""
    wrapped = [{"NotificationRequestItem": item} for item in items]
    return json.dumps({"live": "false", "notificationItems": wrapped}).encode()
