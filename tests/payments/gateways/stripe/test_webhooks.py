import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import Settings

from payments.gateways.base import DisputeReport, Operation, Outcome
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

    assert isinstance(outcome, Outcome)
    assert (outcome.operation, outcome.reference) == (operation, "pi_1")


def test_a_refund_is_known_by_our_key(gateway: StripeGateway) -> None:
    thing = {
        "id": "re_1", "status": "succeeded", "amount": 100, "currency": "usd", "created": 1, "payment_intent": "pi_1",
        "metadata": {"paydesk_key": "saga_1:refund_payment:do:0"},
    }  # fmt: skip
    outcome = gateway.parse_webhook(event("refund.updated", thing))

    assert isinstance(outcome, Outcome)
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


@pytest.mark.parametrize(
    ("status", "moved", "expected"),
    [
        ("warning_needs_response", [], ("open", False)),
        ("warning_closed", [], ("won", False)),
        ("needs_response", ["txn_1"], ("open", True)),
        ("under_review", ["txn_1"], ("open", True)),
        ("won", ["txn_1", "txn_2"], ("won", True)),
        ("lost", ["txn_1"], ("lost", True)),
    ],
)
def test_a_dispute_says_how_it_stands_and_whether_it_has_taken_money(
    gateway: StripeGateway, status: str, moved: list[str], expected: tuple[str, bool]
) -> None:
    thing = {
        "id": "dp_1", "charge": "ch_1", "payment_intent": "pi_1", "status": status, "amount": 1000, "currency": "jpy",
        "reason": "fraudulent", "evidence_details": {"due_by": 1_800_000_000}, "created": 1_790_000_000,
        "balance_transactions": [{"id": each} for each in moved],
    }  # fmt: skip

    told = gateway.parse_webhook(event("charge.dispute.updated", thing))

    assert isinstance(told, DisputeReport)
    assert (told.status, told.is_withdrawn) == expected
    assert (told.dispute, told.reference, told.amount_minor, told.currency) == ("dp_1", "pi_1", 1000, "JPY")
    assert told.evidence_due_at == datetime(2027, 1, 15, 8, tzinfo=UTC)
