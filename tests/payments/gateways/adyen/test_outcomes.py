"""Adyen's answers and events as its documentation describes them, also where the stand-in never says them."""

from dataclasses import replace
from typing import Any

import pytest

from payments.errors import (
    AuthenticationRequiredError,
    CardDeclinedError,
    ExpiredCardError,
    InsufficientFundsError,
    PaymentError,
)
from payments.gateways.adyen import outcomes
from payments.gateways.adyen.errors import REASONS
from payments.gateways.base import DisputeReport, Operation, Outcome, Request, Result
from payments.webhooks.item_signatures import Item

REQUEST = Request(key="saga_1:authorize_payment:do:0", order="ord_1", amount_minor=50_00, currency="EUR")
ITEM = Item(
    psp_reference="QFQTPCQ8HXSKGK82",
    original_reference="9913140798220028",
    merchant_account="ExampleShopECOM",
    merchant_reference="saga_1:capture_payment:do:0",
    value=50_00,
    currency="EUR",
    event_code="CAPTURE",
    success="true",
)


def answer(result_code: str, **fields: Any) -> dict[str, Any]:
    return {
        "pspReference": "993617895204576J",
        "resultCode": result_code,
        "amount": {"value": 50_00, "currency": "EUR"},
        **fields,
    }


@pytest.mark.parametrize(
    ("code", "result"),
    [("Authorised", Result.SUCCEEDED), ("Pending", Result.PENDING), ("Received", Result.PENDING)],
)
def test_a_payment_is_authorized_or_not_over_yet(code: str, result: Result) -> None:
    outcome = outcomes.authorization(answer(code), REQUEST)

    assert (outcome.result, outcome.amount_minor, outcome.currency) == (result, 50_00, "EUR")
    assert (outcome.transaction_id, outcome.reference, outcome.key) == ("993617895204576J",) * 2 + (REQUEST.key,)


def test_what_is_authorized_in_part_is_told_as_that_part() -> None:
    extra = {"authorisedAmountValue": "2000", "authorisedAmountCurrency": "EUR"}

    outcome = outcomes.authorization(answer("PartiallyAuthorised", additionalData=extra), REQUEST)

    assert (outcome.result, outcome.amount_minor) == (Result.SUCCEEDED, 20_00)


@pytest.mark.parametrize(
    "said",
    [
        answer("PartiallyAuthorised"),
        answer("AuthenticationFinished"),
        answer("PresentToShopper"),
        answer("OfNextYear"),
        {"resultCode": "Authorised", "pspReference": "993617895204576J"},
        {"resultCode": "Authorised", "amount": {"value": 50_00, "currency": "EUR"}},
        {},
    ],
)
def test_what_does_not_say_what_was_authorized_says_nothing(said: dict[str, Any]) -> None:
    with pytest.raises(LookupError):
        outcomes.authorization(said, REQUEST)


@pytest.mark.parametrize("code", ["RedirectShopper", "ChallengeShopper", "IdentifyShopper"])
def test_a_payment_that_waits_for_its_shopper_is_a_no(code: str) -> None:
    with pytest.raises(AuthenticationRequiredError) as raised:
        outcomes.authorization({"resultCode": code, "action": {"type": "redirect"}}, REQUEST)

    assert raised.value.facts == {"decline_code": "authentication_failed", "reference": ""}


@pytest.mark.parametrize(
    ("code", "kind", "word"),
    [
        ("12", InsufficientFundsError, "insufficient_funds"),
        ("6", ExpiredCardError, "expired_card"),
        ("38", AuthenticationRequiredError, "authentication_failed"),
        ("5", CardDeclinedError, "blocked_card"),
        ("999", CardDeclinedError, "refused"),
        (None, CardDeclinedError, "refused"),
    ],
)
@pytest.mark.parametrize("result", ["Refused", "Error", "Cancelled"])
def test_a_refusal_is_called_by_our_word_where_there_is_one(
    result: str, code: str | None, kind: type[PaymentError], word: str
) -> None:
    with pytest.raises(CardDeclinedError) as raised:
        outcomes.authorization(answer(result, refusalReasonCode=code), REQUEST)

    assert type(raised.value) is kind
    assert raised.value.facts == {"decline_code": word, "reference": "993617895204576J"}


def test_every_reason_has_a_word_that_fits_its_column() -> None:
    assert all(word and len(word) <= 64 and word == word.lower() for word in REASONS.values())


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (
            {"paymentMethod": "visa", "cardSummary": "1111", "cardIssuingCountry": "NL", "alias": "H1678"},
            ("visa", "1111", "NL", "H1678"),
        ),
        ({"issuerCountry": "JP"}, ("", "", "JP", "")),
        ({"cardIssuingCountry": "unknown", "cardSummary": "411111"}, ("", "1111", "", "")),
        (None, ("", "", "", "")),
    ],
)
def test_of_the_card_is_known_what_the_account_has_told(extra: Any, expected: tuple[str, ...]) -> None:
    card = outcomes.authorization(answer("Authorised", additionalData=extra), REQUEST).card

    assert (card.brand, card.last4, card.country, card.fingerprint) == expected


def test_what_is_not_taken_note_of_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="refused"):
        outcomes.modification(Operation.CAPTURE, {"status": "refused"}, REQUEST)


@pytest.mark.parametrize(
    ("code", "success", "expected"),
    [
        ("AUTHORISATION", "true", (Operation.AUTHORIZE, Result.SUCCEEDED, "")),
        ("AUTHORISATION", "false", (Operation.AUTHORIZE, Result.DECLINED, "refused")),
        ("CAPTURE", "true", (Operation.CAPTURE, Result.SUCCEEDED, "")),
        ("CAPTURE", "false", (Operation.CAPTURE, Result.FAILED, "")),
        ("CAPTURE_FAILED", "true", (Operation.CAPTURE, Result.FAILED, "")),
        ("CANCELLATION", "true", (Operation.VOID, Result.SUCCEEDED, "")),
        ("CANCELLATION", "false", (Operation.VOID, Result.FAILED, "")),
        ("REFUND", "true", (Operation.REFUND, Result.SUCCEEDED, "")),
        ("REFUND", "false", (Operation.REFUND, Result.FAILED, "")),
        ("REFUND_FAILED", "true", (Operation.REFUND, Result.FAILED, "")),
        ("REFUNDED_REVERSED", "true", (Operation.REFUND, Result.FAILED, "")),
    ],
)
def test_an_event_tells_what_became_of_an_operation(code: str, success: str, expected: tuple[Any, ...]) -> None:
    outcome = told(replace(ITEM, event_code=code, success=success))

    assert (outcome.operation, outcome.result, outcome.decline_code) == expected
    assert (outcome.transaction_id, outcome.key) == ("QFQTPCQ8HXSKGK82", "saga_1:capture_payment:do:0")
    assert outcome.amount_minor == 50_00


def told(item: Item) -> Outcome:
    outcome = outcomes.event(item)
    assert isinstance(outcome, Outcome)
    return outcome


def test_an_authorization_is_a_charge_of_its_own_and_everything_else_is_done_to_one() -> None:
    assert told(replace(ITEM, event_code="AUTHORISATION")).reference == "QFQTPCQ8HXSKGK82"
    assert told(ITEM).reference == "9913140798220028"


@pytest.mark.parametrize(
    ("code", "success"),
    [("CAPTURE_FAILED", "false"), ("CHARGEBACK", "false"), ("REPORT_AVAILABLE", "true"), ("OF_NEXT_YEAR", "true")],
)
def test_what_is_no_movement_tells_nothing(code: str, success: str) -> None:
    assert outcomes.event(replace(ITEM, event_code=code, success=success)) is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("NOTIFICATION_OF_CHARGEBACK", ("open", False)),
        ("CHARGEBACK", ("open", True)),
        ("CHARGEBACK_REVERSED", ("won", True)),
        ("SECOND_CHARGEBACK", ("lost", True)),
        ("PREARBITRATION_WON", ("won", True)),
        ("PREARBITRATION_LOST", ("lost", True)),
    ],
)
def test_a_chargeback_is_a_dispute(code: str, expected: tuple[str, bool]) -> None:
    report = outcomes.event(replace(ITEM, event_code=code))

    assert isinstance(report, DisputeReport)
    assert (report.status, report.is_withdrawn) == expected
    assert (report.dispute, report.reference, report.amount_minor) == ("QFQTPCQ8HXSKGK82", "9913140798220028", 50_00)
