import json
from typing import Any

import pytest
from pytest_django import Settings

from payments.gateways.base import Operation
from payments.gateways.stripe.intents import StripeGateway
from tests.payments.gateways.stripe.test_objects import intent


@pytest.fixture
def gateway(settings: Settings) -> StripeGateway:
    settings.STRIPE_API_KEY = "sk_test_nobody"
    return StripeGateway()


def event(kind: str, thing: dict[str, Any]) -> bytes:
    return json.dumps({"id": "evt_1", "type": kind, "data": {"object": thing}}).encode()


@pytest.mark.parametrize(
    ("kind", "status", "operation"),
    [
        ("payment_intent.amount_capturable_updated", "requires_capture", Operation.AUTHORIZE),
        ("payment_intent.requires_action", "requires_action", Operation.AUTHORIZE),
        ("payment_intent.succeeded", "succeeded", Operation.CAPTURE),
        ("payment_intent.canceled", "canceled", Operation.VOID),
    ],
)
def test_an_event_tells_of_the_operation_it_is_about(
    gateway: StripeGateway, kind: str, status: str, operation: Operation
) -> None:
    outcome = gateway.parse_webhook(event(kind, intent(status)))

    assert outcome is not None
    assert (outcome.operation, outcome.reference) == (operation, "pi_1")


def test_a_refund_is_known_by_our_key(gateway: StripeGateway) -> None:
    thing = {
        "id": "re_1", "status": "succeeded", "amount": 100, "currency": "usd", "created": 1, "payment_intent": "pi_1",
        "metadata": {"paydesk_key": "saga_1:refund_payment:do:0"},
    }  # fmt: skip
    outcome = gateway.parse_webhook(event("refund.updated", thing))

    assert outcome is not None
    assert (outcome.operation, outcome.reference, outcome.key) == (
        Operation.REFUND,
        "pi_1",
        "saga_1:refund_payment:do:0",
    )


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("payment_intent.succeeded", intent("succeeded", metadata={})),
        ("customer.created", {"id": "cus_1", "metadata": {"paydesk_order": "ord_1"}}),
        ("refund.created", {"id": "re_1", "payment_intent": None}),
    ],
)
def test_what_is_no_payment_from_here_tells_nothing(gateway: StripeGateway, kind: str, thing: dict[str, Any]) -> None:
    assert gateway.parse_webhook(event(kind, thing)) is None
