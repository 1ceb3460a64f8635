"""Stripe's objects, as JSON, told as outcomes.

Source: https://docs.stripe.com/payments/paymentintents/lifecycle and the API reference of each object.
"""

from datetime import UTC, datetime
from typing import Any, Final

from payments.gateways.base import Card, DisputeReport, Operation, Outcome, Request, Result
from payments.gateways.stripe.amounts import from_stripe
from payments.gateways.stripe.errors import decline_code

KEY: Final = "paydesk_key"
ORDER: Final = "paydesk_order"

Json = dict[str, Any]

_REFUNDS: Final = {
    "succeeded": Result.SUCCEEDED,
    "pending": Result.PENDING,
    "requires_action": Result.PENDING,
    "failed": Result.FAILED,
    "canceled": Result.FAILED,
}
_AUTHORIZATIONS: Final = {
    "requires_action": Result.REQUIRES_ACTION,
    "processing": Result.PENDING,
    "requires_capture": Result.SUCCEEDED,
    "succeeded": Result.SUCCEEDED,
}
_CAPTURES: Final = {"succeeded": Result.SUCCEEDED, "processing": Result.PENDING, "canceled": Result.FAILED}
_DISPUTES: Final = {"won": "won", "lost": "lost", "warning_closed": "won"}
_CHECKS: Final[dict[str, str]] = {"pass": "match", "fail": "mismatch"}


def metadata(request: Request) -> dict[str, str]:
    """What tells, at Stripe, whose payment this is and which of our requests made it."""
    return {ORDER: request.order, KEY: request.key}


def order_of(thing: Json) -> str:
    return str((thing.get("metadata") or {}).get(ORDER) or "")


def key_of(thing: Json) -> str:
    return str((thing.get("metadata") or {}).get(KEY) or "")


def name_of(thing: Any) -> str:
    """The id of an object that is expanded or not."""
    return str(thing["id"] if isinstance(thing, dict) else thing or "")


# PaymentIntents


def authorization(intent: Json) -> Outcome | None:
    """What became of confirming it; None when nobody has confirmed it yet."""
    error, charge = intent.get("last_payment_error"), _charge(intent)
    status = intent["status"]
    if status == "canceled":
        was_authorized = charge.get("status") == "succeeded"
        result, code = (Result.SUCCEEDED, "") if was_authorized else (Result.FAILED, "canceled")
    elif status == "requires_payment_method" and error:
        code = decline_code(error)
        result = Result.FAILED if code == "authentication_failed" else Result.DECLINED
    elif status in _AUTHORIZATIONS:
        result, code = _AUTHORIZATIONS[status], ""
    else:
        return None
    action = (intent.get("next_action") or {}).get("redirect_to_url") or {}
    return _authorization(
        charge or intent,
        result,
        reference=intent["id"],
        decline_code=code,
        next_action_url=str(action.get("url") or ""),
        key=key_of(intent),
    )


def capture(intent: Json) -> Outcome | None:
    """What became of capturing it; None when nobody has captured it yet."""
    result = _CAPTURES.get(intent["status"])
    if result is None:
        return None
    charge = _charge(intent)
    captured = _captured(charge) if charge.get("currency") else int(intent.get("amount_received") or intent["amount"])
    return _movement(Operation.CAPTURE, result, charge or intent, intent, amount=captured)


def void(intent: Json) -> Outcome | None:
    """What became of cancelling it; None when nobody has cancelled it yet. What is captured never can be."""
    result = {"canceled": Result.SUCCEEDED, "succeeded": Result.FAILED}.get(intent["status"])
    return _movement(Operation.VOID, result, intent, intent, amount=intent["amount"]) if result else None


def _charge(intent: Json) -> Json:
    """Its latest charge, of which nothing but the id is known where it is not expanded."""
    latest = intent.get("latest_charge")
    return latest if isinstance(latest, dict) else {"id": latest} if latest else {}


# Charges


def charge_authorization(charge: Json) -> Outcome:
    """A charge of the Charges API, which is confirmed by being made."""
    code = charge.get("failure_code")
    exact = decline_code({"code": code, "decline_code": (charge.get("outcome") or {}).get("reason")}) if code else ""
    result = {"succeeded": Result.SUCCEEDED, "pending": Result.PENDING}.get(charge["status"], Result.DECLINED)
    return _authorization(charge, result, reference=charge["id"], decline_code=exact, key=key_of(charge))


def charge_capture(charge: Json) -> Outcome | None:
    if charge["captured"]:
        return _movement(Operation.CAPTURE, Result.SUCCEEDED, charge, charge, amount=_captured(charge))
    is_gone = charge["refunded"] or charge["status"] == "failed"
    return _movement(Operation.CAPTURE, Result.FAILED, charge, charge, amount=charge["amount"]) if is_gone else None


def charge_void(charge: Json) -> Outcome | None:
    """Giving back what was never captured lets the authorization go."""
    if charge["captured"]:
        return _movement(Operation.VOID, Result.FAILED, charge, charge, amount=charge["amount"])
    is_released = charge["refunded"]
    return _movement(Operation.VOID, Result.SUCCEEDED, charge, charge, amount=charge["amount"]) if is_released else None


# Both


def refund(thing: Json, *, reference: str) -> Outcome:
    return Outcome(
        operation=Operation.REFUND,
        result=_REFUNDS[thing["status"]],
        transaction_id=thing["id"],
        reference=reference,
        amount_minor=from_stripe(thing["amount"], thing["currency"].upper()),
        currency=thing["currency"].upper(),
        occurred_at=moment(thing.get("created")),
        decline_code=str(thing.get("failure_reason") or ""),
        key=key_of(thing),
    )


def dispute(thing: Json, *, reference: str) -> DisputeReport:
    """An inquiry (`warning_…`) moves no money; while it does, the dispute has balance transactions.

    Source: https://docs.stripe.com/api/disputes/object
    """
    currency = thing["currency"].upper()
    return DisputeReport(
        dispute=thing["id"],
        reference=reference,
        status=_DISPUTES.get(thing["status"], "open"),
        amount_minor=from_stripe(thing["amount"], currency),
        currency=currency,
        reason=str(thing.get("reason") or ""),
        evidence_due_at=moment((thing.get("evidence_details") or {}).get("due_by")),
        opened_at=moment(thing.get("created")),
        is_withdrawn=bool(thing.get("balance_transactions")),
    )


def moment(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _authorization(
    thing: Json, result: Result, *, reference: str, decline_code: str, key: str, next_action_url: str = ""
) -> Outcome:
    """`thing`: the charge that was made, or what there is instead of one."""
    currency = str(thing.get("currency") or "").upper()
    card = (thing.get("payment_method_details") or {}).get("card") or {}
    checks = card.get("checks") or {}
    return Outcome(
        operation=Operation.AUTHORIZE,
        result=result,
        transaction_id=thing["id"],
        reference=reference,
        amount_minor=from_stripe(thing["amount"], currency) if currency else 0,
        currency=currency,
        occurred_at=moment(thing.get("created")),
        card=Card(*(str(card.get(fact) or "") for fact in ("brand", "last4", "country", "fingerprint"))),
        avs_result=_address_check(checks),
        cvv_result=_CHECKS.get(checks.get("cvc_check") or "", ""),
        decline_code=decline_code,
        next_action_url=next_action_url,
        authorization_expires_at=moment(card.get("capture_before")),
        key=key,
    )


def _address_check(checks: Json) -> str:
    """Two checks are one result here. One that was not made says nothing, and neither do two."""
    made = {_CHECKS[check] for name in ("address_line1_check", "address_postal_code_check")
            if (check := checks.get(name)) in _CHECKS}  # fmt: skip
    return "partial" if len(made) == 2 else next(iter(made), "")


def _movement(operation: Operation, result: Result, thing: Json, payment: Json, *, amount: int) -> Outcome:
    currency = payment["currency"].upper()
    balance = thing.get("balance_transaction")
    return Outcome(
        operation=operation,
        result=result,
        transaction_id=thing["id"],
        reference=payment["id"],
        amount_minor=from_stripe(amount, currency),
        currency=currency,
        occurred_at=moment(balance.get("created")) if isinstance(balance, dict) else None,
    )


def _captured(charge: Json) -> int:
    """In older versions of the API a partial capture gives the rest back, by a refund that nobody here asked for."""
    if "amount_captured" in charge:
        return int(charge["amount_captured"])
    released = [int(each["amount"]) for each in (charge.get("refunds") or {}).get("data", []) if not key_of(each)]
    return int(charge["amount"]) - sum(released)
