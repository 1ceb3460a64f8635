"""Adyen's answers and events, told as outcomes."""

from typing import Any, Final

from payments.gateways.adyen.amounts import from_adyen
from payments.gateways.adyen.errors import REFUSED, refusal
from payments.gateways.base import Card, DisputeReport, Operation, Outcome, Request, Result
from payments.gateways.declines import decline
from payments.webhooks.item_signatures import Item

Json = dict[str, Any]

_AUTHORIZED: Final = {
    "Authorised": Result.SUCCEEDED,
    "PartiallyAuthorised": Result.SUCCEEDED,
    "Pending": Result.PENDING,
    "Received": Result.PENDING,
}
_REFUSED: Final = {"Refused", "Error", "Cancelled"}
_SHOPPER_HAS_TO_ACT: Final = {"RedirectShopper", "ChallengeShopper", "IdentifyShopper"}
_EVENTS: Final = {
    "AUTHORISATION": Operation.AUTHORIZE,
    "CAPTURE": Operation.CAPTURE,
    "CANCELLATION": Operation.VOID,
    "REFUND": Operation.REFUND,
}
_FAILURES: Final = {
    "CAPTURE_FAILED": Operation.CAPTURE,
    "REFUND_FAILED": Operation.REFUND,
    "REFUNDED_REVERSED": Operation.REFUND,
}
"""Events of which a success is a failure, also of what was reported as done before."""
_DISPUTES: Final = {
    "NOTIFICATION_OF_CHARGEBACK": ("open", False),
    "CHARGEBACK": ("open", True),
    "CHARGEBACK_REVERSED": ("won", True),
    "PREARBITRATION_WON": ("won", True),
    "SECOND_CHARGEBACK": ("lost", True),
    "PREARBITRATION_LOST": ("lost", True),
}
"""How a dispute stands by each event, and whether its amount has ever been taken from our balance.

Source: https://docs.adyen.com/risk-management/disputes-api/dispute-notifications
"""


def authorization(answer: Json, request: Request) -> Outcome:
    """What an answer to /payments says. Raise CardDeclinedError where nothing is authorized, and nothing will be.

    A payment that waits for its shopper is one of those: it is authorized by a second call, with what the shopper
    brings back, and nobody here makes that call, or tells the shopper where to go.

    Source: https://docs.adyen.com/online-payments/build-your-integration/payment-result-codes
    """
    code = answer["resultCode"]
    if code in _SHOPPER_HAS_TO_ACT:
        raise decline("authentication_failed", reference=str(answer.get("pspReference") or ""))
    if code in _REFUSED:
        raise refusal(answer)
    result, extra = _AUTHORIZED[code], answer.get("additionalData") or {}
    amount = answer["amount"]["value"] if code != "PartiallyAuthorised" else int(extra["authorisedAmountValue"])
    return Outcome(
        operation=Operation.AUTHORIZE,
        result=result,
        transaction_id=answer["pspReference"],
        reference=answer["pspReference"],
        amount_minor=from_adyen(amount, answer["amount"]["currency"]),
        currency=answer["amount"]["currency"],
        card=_card(extra),
        key=request.key,
    )


def _card(extra: Json) -> Card:
    """As far as the account has Adyen tell it."""
    country = str(extra.get("cardIssuingCountry") or extra.get("issuerCountry") or "")
    return Card(
        brand=str(extra.get("paymentMethod") or "")[:32],
        last4=str(extra.get("cardSummary") or "")[-4:],
        country=country if len(country) == 2 else "",
        fingerprint=str(extra.get("alias") or ""),
    )


def modification(operation: Operation, answer: Json, request: Request) -> Outcome:
    """Adyen has taken note of a request to capture, cancel or refund; what becomes of it comes by webhook."""
    if answer["status"] != "received":
        raise ValueError(answer["status"])
    return Outcome(
        operation=operation,
        result=Result.PENDING,
        transaction_id=answer["pspReference"],
        reference=answer["paymentPspReference"],
        amount_minor=request.amount_minor,
        currency=request.currency,
        key=request.key,
    )


def event(item: Item) -> Outcome | DisputeReport | None:
    """What an event reports; None for what is neither a movement of a payment nor a dispute.

    An event's merchant reference is that of the request it is about, which is our key.
    """
    if item.event_code in _DISPUTES:
        return _dispute(item) if item.is_success else None
    operation = _EVENTS.get(item.event_code) or _FAILURES.get(item.event_code)
    result = _result(item)
    if operation is None or result is None:
        return None
    return Outcome(
        operation=operation,
        result=result,
        transaction_id=item.psp_reference,
        reference=item.psp_reference if operation == Operation.AUTHORIZE else item.original_reference,
        amount_minor=from_adyen(item.value, item.currency),
        currency=item.currency,
        decline_code=REFUSED if result == Result.DECLINED else "",
        key=item.merchant_reference,
    )


def _dispute(item: Item) -> DisputeReport:
    """The reason, and until when it can be answered, are not signed."""
    status, is_withdrawn = _DISPUTES[item.event_code]
    return DisputeReport(
        dispute=item.psp_reference,
        reference=item.original_reference,
        status=status,
        amount_minor=from_adyen(item.value, item.currency),
        currency=item.currency,
        is_withdrawn=is_withdrawn,
    )


def _result(item: Item) -> Result | None:
    if item.event_code in _FAILURES:
        return Result.FAILED if item.is_success else None
    if item.is_success:
        return Result.SUCCEEDED
    return Result.DECLINED if item.event_code == "AUTHORISATION" else Result.FAILED
