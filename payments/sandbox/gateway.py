"""The gateway's operations: a state machine over the journal, without HTTP and without threads."""

from payments.sandbox import fields
from payments.sandbox.cards import Card, Prank, card_of
from payments.sandbox.journal import Subject, moment
from payments.sandbox.messages import Delivery, JsonObject, Refusal, Request, server_error, too_many_requests
from payments.sandbox.records import AUTHORIZATION_LIFE, Charge, Operation, find_charge, new_id, record, save
from payments.sandbox.turn import Outcome, Result, Turn, nothing_done

DISPUTE_AFTER_SECONDS = 1.0
REFUND_FAILS_AFTER_SECONDS = 1.0

DECLINES = {
    "generic_decline": "The card was declined.",
    "insufficient_funds": "The card has insufficient funds.",
    "expired_card": "The card has expired.",
}

OPERATION_STATUS = {
    "authorized": Result.SUCCEEDED,
    "declined": Result.DECLINED,
    "requires_action": Result.REQUIRES_ACTION,
}
"""What an authorization came to, by the status of its charge."""

CONFLICTS = {
    "captured": ("charge_already_captured", "The charge is already captured."),
    "voided": ("charge_already_voided", "The charge is already voided."),
    "expired": ("charge_expired", "The authorization has expired."),
}
"""Why a charge that is not authorized can be neither captured nor voided, by its status."""


def authorize(turn: Turn, request: Request) -> Outcome:
    """POST /v1/charges: hold the amount on the card."""
    order, token = fields.text(request.body, "order"), fields.text(request.body, "payment_method")
    subject = Subject(None, None, order, fields.amount(request.body), fields.currency(request.body))
    card = card_of(token)
    if card is None:
        raise Refusal(400, "unknown_payment_method", f"There is no payment method {token!r}.")
    prank = _prank(turn, card, order, token)
    if prank in (Prank.NONE, Prank.DONE_BUT_SILENT_FIRST):
        charge = _new_charge(turn, request, card, subject)
        delivery = Delivery.SILENCE if prank else Delivery.ANSWER
        return _authorized(turn, charge, delivery)
    return _play(prank, subject)


def _prank(turn: Turn, card: Card, order: str, token: str) -> Prank:
    """The prank this call meets. Calls are counted per order and attempt: the key without its last `:n`."""
    if card.prank in (Prank.NONE, Prank.SERVER_ERROR):
        return card.prank
    attempt = (turn.key or "").rsplit(":", 1)[0]
    calls = turn.db.execute(
        'INSERT INTO attempts ("order", token, attempt, calls) VALUES (?, ?, ?, 1)'
        ' ON CONFLICT ("order", token, attempt) DO UPDATE SET calls = calls + 1 RETURNING calls',
        (order, token, attempt),
    ).fetchone()["calls"]
    return card.prank if calls <= card.prank_calls else Prank.NONE


def _play(prank: Prank, subject: Subject) -> Outcome:
    if prank is Prank.RATE_LIMIT_FIRST:
        return nothing_done(subject, too_many_requests())
    delivery = {Prank.RESET_FIRST: Delivery.RESET, Prank.SILENT_FIRST: Delivery.SILENCE}.get(prank, Delivery.ANSWER)
    return nothing_done(subject, server_error(), delivery)


def _new_charge(turn: Turn, request: Request, card: Card, subject: Subject) -> Charge:
    amount, currency = turn.distort("authorize", subject.amount or 0, subject.currency or "")
    charge = Charge(
        id=new_id("sch", turn.now),
        order=subject.order or "",
        status=_first_status(card, is_challenged=fields.flag(request.body, "three_d_secure")),
        created_at=turn.at,
        amount=amount,
        currency=currency,
        payment_method=request.body["payment_method"],
        card=card.describe(turn.now.date()),
        avs_result=card.avs_result,
        cvv_result=card.cvv_result,
        decline_code=card.decline_code,
        return_url=fields.web_address(request.body, "return_url"),
        metadata=fields.mapping(request.body, "metadata"),
    )
    if charge.status == "authorized":
        charge.authorization_expires_at = moment(turn.now + AUTHORIZATION_LIFE)
    if charge.status == "requires_action":
        charge.next_action = {"type": "redirect", "url": f"{turn.public_url}/3ds/{charge.id}"}
    return charge


def _first_status(card: Card, *, is_challenged: bool) -> str:
    if card.decline_code:
        return "declined"
    return "requires_action" if is_challenged or card.needs_challenge else "authorized"


def _authorized(turn: Turn, charge: Charge, delivery: Delivery) -> Outcome:
    result = OPERATION_STATUS[charge.status]
    operation = turn.operation("authorize", charge.amount, charge.currency, result)
    if charge.decline_code:
        code = charge.decline_code
        operation.error = {"code": "card_declined", "message": DECLINES[code], "decline_code": code}
    return _done(turn, charge, operation, event=f"charge.{charge.status}", delivery=delivery)


def capture(turn: Turn, request: Request) -> Outcome:
    """POST /v1/charges/{id}/capture: take what is held, or a part of it; the rest is released."""
    charge = require_charge(turn, request)
    _require_authorized(turn, charge)
    amount = fields.amount(request.body, default=charge.amount)
    if amount > charge.amount:
        raise Refusal(409, "amount_exceeds_authorized", f"Only {charge.amount} is authorized.")
    if refused := _refused(turn, charge, "capture", amount):
        return refused
    moved, charge.currency = turn.distort("capture", amount, charge.currency)
    charge.status, charge.amount_captured = "captured", moved
    operation = turn.operation("capture", moved, charge.currency, Result.SUCCEEDED)
    if _card(charge).is_disputed:
        turn.schedule("dispute", charge, seconds=DISPUTE_AFTER_SECONDS)
    return _done(turn, charge, operation, event="charge.captured")


def void(turn: Turn, request: Request) -> Outcome:
    """POST /v1/charges/{id}/void: release what is held, or withdraw what waits for the customer."""
    charge = require_charge(turn, request)
    if charge.status != "requires_action":
        _require_authorized(turn, charge)
    if refused := _refused(turn, charge, "void", charge.amount):
        return refused
    amount, charge.currency = turn.distort("void", charge.amount, charge.currency)
    charge.status, charge.next_action = "voided", None
    operation = turn.operation("void", amount, charge.currency, Result.SUCCEEDED)
    return _done(turn, charge, operation, event="charge.voided")


def refund(turn: Turn, request: Request) -> Outcome:
    """POST /v1/charges/{id}/refunds: give back what was captured, at once or in parts."""
    charge = require_charge(turn, request)
    if charge.status != "captured":
        raise Refusal(409, "charge_not_captured", f"The charge is {charge.status}, not captured.")
    if charge.disputed:
        raise Refusal(409, "charge_disputed", "The charge is disputed: its money is already on the way back.")
    if not charge.refundable:
        raise Refusal(409, "charge_already_refunded", "Everything captured is already refunded.")
    amount = fields.amount(request.body, default=charge.refundable)
    if amount > charge.refundable:
        raise Refusal(409, "amount_exceeds_captured", f"Only {charge.refundable} is captured and not yet refunded.")
    if refused := _refused(turn, charge, "refund", amount):
        return refused
    return _refunded(turn, charge, amount)


def _refunded(turn: Turn, charge: Charge, amount: int) -> Outcome:
    moved, charge.currency = turn.distort("refund", amount, charge.currency)
    charge.amount_refunded += moved
    operation = turn.operation("refund", moved, charge.currency, Result.SUCCEEDED)
    if fault := turn.faults.take("refund", "fail_refund_later"):
        seconds = fault.seconds or REFUND_FAILS_AFTER_SECONDS
        turn.schedule("fail_refund", charge, seconds=seconds, operation=operation)
    return _done(turn, charge, operation, event="charge.refunded")


def require_charge(turn: Turn, request: Request) -> Charge:
    charge = find_charge(turn.db, request.target)
    if charge is None:
        raise Refusal(404, "charge_not_found", f"There is no charge {request.target!r}.")
    return charge


def _require_authorized(turn: Turn, charge: Charge) -> None:
    status = charge.status
    if status == "authorized" and (charge.authorization_expires_at or turn.at) <= turn.at:
        status = "expired"
    if status != "authorized":
        code, message = CONFLICTS.get(status, ("charge_not_authorized", f"The charge is {status}, not authorized."))
        raise Refusal(409, code, message)


def _card(charge: Charge) -> Card:
    return card_of(charge.payment_method) or Card()


def _refused(turn: Turn, charge: Charge, name: str, amount: int) -> Outcome | None:
    """The definite no of a card whose `name` operation is refused for good."""
    if _card(charge).refuses != name:
        return None
    operation = turn.operation(name, amount, charge.currency, Result.DECLINED)
    operation.error = {"code": f"{name}_refused", "message": f"The card's issuer refuses to {name} this charge."}
    return _done(turn, charge, operation)


def _done(
    turn: Turn,
    charge: Charge,
    operation: Operation,
    *,
    event: str | None = None,
    delivery: Delivery = Delivery.ANSWER,
) -> Outcome:
    record(turn.db, charge, operation)
    save(turn.db, charge, turn.now)
    if event:
        turn.emit(event, charge, operation)
    body: JsonObject = {"charge": charge.public(), "operation": vars(operation)}
    if operation.error:
        body = {"error": operation.error, **body}
    subject = Subject(charge.id, None, charge.order, operation.amount, operation.currency)
    return Outcome(402 if operation.error else 200, body, Result(operation.status), subject, True, delivery)
