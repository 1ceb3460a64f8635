"""Stripe's objects as its API reference describes them, also where the peers of the other tests say less."""

from typing import Any

import pytest

from payments.gateways.base import Operation, Outcome, Result
from payments.gateways.stripe import objects

CARD = {
    "brand": "visa",
    "last4": "4242",
    "country": "US",
    "fingerprint": "fp_1",
    "capture_before": 1_800_000_000,
    "checks": {"address_line1_check": "pass", "address_postal_code_check": "pass", "cvc_check": "pass"},
}


def charge(**fields: Any) -> dict[str, Any]:
    return {
        "id": "ch_1",
        "amount": 5000,
        "currency": "usd",
        "created": 1_750_000_000,
        "status": "succeeded",
        "payment_method_details": {"card": CARD},
        **fields,
    }


def intent(status: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": "pi_1",
        "status": status,
        "amount": 5000,
        "currency": "usd",
        "metadata": {"paydesk_order": "ord_1", "paydesk_key": "saga_1:authorize_payment:do:0"},
        "latest_charge": charge(),
        **fields,
    }


def told(outcome: Outcome | None) -> Outcome:
    assert outcome is not None
    return outcome


def test_an_authorization_tells_all_that_may_be_known_of_the_card() -> None:
    outcome = told(objects.authorization(intent("requires_capture")))

    assert (outcome.result, outcome.transaction_id, outcome.reference) == (Result.SUCCEEDED, "ch_1", "pi_1")
    assert (outcome.card.brand, outcome.card.last4, outcome.card.country) == ("visa", "4242", "US")
    assert (outcome.avs_result, outcome.cvv_result) == ("match", "match")
    assert outcome.authorization_expires_at is not None
    assert outcome.key == "saga_1:authorize_payment:do:0"


@pytest.mark.parametrize(
    ("line1", "postal_code", "expected"),
    [
        ("pass", "pass", "match"),
        ("fail", "fail", "mismatch"),
        ("pass", "fail", "partial"),
        ("fail", "pass", "partial"),
        (None, "fail", "mismatch"),
        ("unavailable", "pass", "match"),
        ("unchecked", None, ""),
    ],
)
def test_two_checks_of_the_address_are_one_result(line1: str | None, postal_code: str | None, expected: str) -> None:
    checks = {"address_line1_check": line1, "address_postal_code_check": postal_code, "cvc_check": "fail"}
    card = {**CARD, "checks": checks}
    outcome = told(
        objects.authorization(intent("requires_capture", latest_charge=charge(payment_method_details={"card": card})))
    )

    assert (outcome.avs_result, outcome.cvv_result) == (expected, "mismatch")


@pytest.mark.parametrize(
    ("fields", "result", "code"),
    [
        ({"status": "requires_action"}, Result.REQUIRES_ACTION, ""),
        ({"status": "processing"}, Result.PENDING, ""),
        ({"status": "succeeded"}, Result.SUCCEEDED, ""),
        ({"status": "canceled"}, Result.SUCCEEDED, ""),
        ({"status": "canceled", "latest_charge": None}, Result.FAILED, "canceled"),
        (
            {"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}},
            Result.DECLINED,
            "card_declined",
        ),
        (
            {
                "status": "requires_payment_method",
                "last_payment_error": {"code": "payment_intent_authentication_failure"},
            },
            Result.FAILED,
            "authentication_failed",
        ),
    ],
)
def test_what_became_of_confirming_is_told_by_where_the_intent_stands(
    fields: dict[str, Any], result: Result, code: str
) -> None:
    outcome = told(objects.authorization(intent(**fields)))

    assert (outcome.result, outcome.decline_code) == (result, code)


@pytest.mark.parametrize("status", ["requires_confirmation", "requires_payment_method"])
def test_what_nobody_has_confirmed_tells_nothing(status: str) -> None:
    assert objects.authorization(intent(status)) is None


def test_a_challenge_has_the_address_to_which_the_customer_is_sent() -> None:
    action = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://hooks.stripe.com/3d_secure_2"}}
    outcome = told(objects.authorization(intent("requires_action", next_action=action)))

    assert outcome.next_action_url == "https://hooks.stripe.com/3d_secure_2"


@pytest.mark.parametrize(
    ("latest", "fields", "expected"),
    [
        (charge(amount_captured=3000), {}, 3000),
        (charge(refunds={"data": [{"amount": 1500}, {"amount": 10, "metadata": {"paydesk_key": "k"}}]}), {}, 3500),
        ("ch_1", {"amount_received": 3000}, 3000),
        ("ch_1", {}, 5000),
    ],
)
def test_what_was_captured_is_told_by_whichever_member_there_is(
    latest: Any, fields: dict[str, Any], expected: int
) -> None:
    outcome = told(objects.capture(intent("succeeded", latest_charge=latest, **fields)))

    assert (outcome.operation, outcome.transaction_id, outcome.amount_minor) == (Operation.CAPTURE, "ch_1", expected)


def test_a_capture_happened_when_its_balance_transaction_was_made() -> None:
    latest = charge(amount_captured=5000, balance_transaction={"created": 1_750_000_100})
    outcome = told(objects.capture(intent("succeeded", latest_charge=latest)))

    assert outcome.occurred_at is not None
    assert outcome.occurred_at.timestamp() == 1_750_000_100


@pytest.mark.parametrize(
    ("status", "expected"),
    [("pending", Result.PENDING), ("requires_action", Result.PENDING), ("failed", Result.FAILED),
     ("canceled", Result.FAILED), ("succeeded", Result.SUCCEEDED)],
)  # fmt: skip
def test_a_refund_is_over_when_stripe_says_so(status: str, expected: Result) -> None:
    thing = {"id": "re_1", "status": status, "amount": 100, "currency": "usd", "created": 1, "failure_reason": None}

    assert objects.refund(thing, reference="pi_1").result == expected
