"""Every code of Stripe's has a meaning here, and what the answer is counts more than what its code says."""

import re
from inspect import getsource
from typing import Any

import pytest
import stripe
from stripe import _payment_intent

from payments.errors import (
    AuthenticationRequiredError,
    AuthorizationExpiredError,
    CardDeclinedError,
    ExpiredCardError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    InsufficientFundsError,
    InvalidRequestError,
    OperationRefusedError,
    PaymentError,
    RateLimitedError,
    UnexpectedOutcomeError,
)
from payments.gateways.stripe.errors import CODES, decline_code, translated


def codes_of_the_sdk() -> set[str]:
    """Those that it declares for `PaymentIntent.LastPaymentError.code`."""
    source = getsource(_payment_intent.PaymentIntent.LastPaymentError)
    declared = source[source.index("    code: ") : source.index("    decline_code: ")]
    return set(re.findall(r'"([a-z0-9_]+)"', declared))


def error(kind: type[stripe.StripeError], status: int, **details: Any) -> stripe.StripeError:
    body = {"error": details}
    if issubclass(kind, stripe.CardError | stripe.InvalidRequestError):
        return kind("no", None, details.get("code"), http_status=status, json_body=body)
    return kind("no", http_status=status, json_body=body)


def test_every_error_code_that_the_sdk_knows_has_a_meaning() -> None:
    known = codes_of_the_sdk()

    assert len(known) > 200
    assert known <= set(CODES)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("insufficient_funds", InsufficientFundsError),
        ("expired_card", ExpiredCardError),
        ("authentication_required", AuthenticationRequiredError),
        ("do_not_honor", CardDeclinedError),
        ("stolen_card", CardDeclinedError),
        ("of_next_year", CardDeclinedError),
        ("charge_already_refunded", CardDeclinedError),
    ],
)
def test_a_card_error_is_a_decline_whatever_its_code(code: str, kind: type[PaymentError]) -> None:
    told = translated(error(stripe.CardError, 402, code="card_declined", decline_code=code, message="No."))

    assert type(told) is kind
    assert told.detail == "No."


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("charge_already_refunded", OperationRefusedError),
        ("charge_expired_for_capture", AuthorizationExpiredError),
        ("payment_intent_unexpected_state", GatewayTimeoutError),
        ("charge_already_captured", GatewayTimeoutError),
        ("lock_timeout", RateLimitedError),
        ("parameter_unknown", InvalidRequestError),
        ("card_declined", InvalidRequestError),
        ("of_next_year", InvalidRequestError),
    ],
)
def test_a_refused_request_says_by_its_code_what_may_be_done_next(code: str, kind: type[PaymentError]) -> None:
    assert type(translated(error(stripe.InvalidRequestError, 400, code=code))) is kind


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        (stripe.AuthenticationError, 401, GatewayUnavailableError),
        (stripe.PermissionError, 403, GatewayUnavailableError),
        (stripe.IdempotencyError, 400, UnexpectedOutcomeError),
        (stripe.APIError, 409, GatewayTimeoutError),
        (stripe.APIConnectionError, 0, GatewayTimeoutError),
    ],
)
def test_other_answers_mean_what_they_are(
    kind: type[stripe.StripeError], status: int, expected: type[PaymentError]
) -> None:
    assert type(translated(error(kind, status))) is expected


def test_an_error_that_is_no_document_says_nothing() -> None:
    assert type(translated(stripe.APIError("no", json_body=["no"]))) is GatewayTimeoutError


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"code": "card_declined", "decline_code": "do_not_honor"}, "do_not_honor"),
        ({"code": "payment_intent_authentication_failure"}, "authentication_failed"),
        ({"code": "card_declined", "decline_code": "insufficient_funds"}, "insufficient_funds"),
        ({"code": "expired_card", "decline_code": "of_next_year"}, "expired_card"),
        ({}, "card_declined"),
    ],
)
def test_a_decline_is_called_by_our_word_where_there_is_one(details: dict[str, Any], expected: str) -> None:
    assert decline_code(details) == expected
