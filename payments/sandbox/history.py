"""Past charges, written into the journal as if the sandbox had been there: for demo data. No events are sent.

`POST /history` takes `{"charges": [{order, amount, currency, created_at, outcome, payment_method?, amount_captured?,
amount_refunded?, settled_at?, refunded_at?, idempotency_key?}]}` and answers `{"charges": [...]}` in the same order.
`outcome` is authorized, declined, captured, voided, refunded, disputed or expired. `settled_at` (of the capture or
void) defaults to `created_at`, `refunded_at` (of the refund or dispute) to `settled_at`. Under an `idempotency_key`
K the operations get the keys `K:authorize`, `K:capture`..., and the same K again answers with what is there already.
It is all or nothing: one item that is wrong refuses all of them.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from payments.sandbox import fields
from payments.sandbox.cards import Card, card_of
from payments.sandbox.journal import Entry, Subject, add_entry, moment
from payments.sandbox.messages import JsonObject, Refusal
from payments.sandbox.records import AUTHORIZATION_LIFE, Charge, find_charge, new_id, record, save
from payments.sandbox.turn import Result, Turn

STEPS = {
    "authorized": (),
    "declined": (),
    "expired": (),
    "voided": ("void",),
    "captured": ("capture",),
    "refunded": ("capture", "refund"),
    "disputed": ("capture", "dispute"),
}
"""What followed the authorization, by outcome."""


@dataclass(frozen=True, slots=True)
class Past:
    """One item of the request, read and checked."""

    order: str
    amount: int
    currency: str
    outcome: str
    token: str
    card: Card
    captured: int
    refunded: int
    created_at: datetime
    settled_at: datetime
    refunded_at: datetime
    key: str | None

    def moment_of(self, step: str) -> datetime:
        return self.settled_at if step in ("capture", "void") else self.refunded_at

    def amount_of(self, step: str) -> int:
        return {"capture": self.captured, "refund": self.refunded, "dispute": self.captured}.get(step, self.amount)


def write_history(turn: Turn, body: JsonObject) -> JsonObject:
    """Raises Refusal when an item is wrong; the caller's transaction is then to be undone."""
    items = body.get("charges")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Refusal(400, "parameter_invalid", "charges must be a list of objects.")
    pasts = [_read(item, now=turn.now) for item in items]
    return {"charges": [(_written_before(turn, past) or _write(turn, past)).public() for past in pasts]}


def _read(item: JsonObject, *, now: datetime) -> Past:
    outcome, token = fields.text(item, "outcome"), item.get("payment_method", "tok_visa")
    card = card_of(token) if isinstance(token, str) else None
    if outcome not in STEPS or card is None:
        raise Refusal(400, "parameter_invalid", f"outcome is one of {', '.join(STEPS)}; payment_method is a token.")
    amount = fields.amount(item)
    captured = fields.amount({"amount": item.get("amount_captured", amount)})
    refunded = fields.amount({"amount": item.get("amount_refunded", captured)})
    if not refunded <= captured <= amount:
        raise Refusal(400, "invalid_amount", "Refunded may not exceed captured, nor captured the amount.")
    created_at = fields.past_moment(item, "created_at", now=now)
    settled_at = fields.past_moment(item, "settled_at", now=now, default=created_at)
    return Past(
        order=fields.text(item, "order"),
        amount=amount,
        currency=fields.currency(item),
        outcome=outcome,
        token=str(token),
        card=card,
        captured=captured,
        refunded=refunded,
        created_at=created_at,
        settled_at=settled_at,
        refunded_at=fields.past_moment(item, "refunded_at", now=now, default=settled_at),
        key=fields.text(item, "idempotency_key") if item.get("idempotency_key") else None,
    )


def _written_before(turn: Turn, past: Past) -> Charge | None:
    if past.key is None:
        return None
    row = turn.db.execute(
        "SELECT document FROM operations WHERE idempotency_key = ?", (f"{past.key}:authorize",)
    ).fetchone()
    return find_charge(turn.db, row["document"]) if row else None


def _write(turn: Turn, past: Past) -> Charge:
    charge = Charge(
        id=new_id("sch", past.created_at),
        order=past.order,
        status="declined" if past.outcome == "declined" else "authorized",
        created_at=moment(past.created_at),
        amount=past.amount,
        currency=past.currency,
        payment_method=past.token,
        card=past.card.describe(past.created_at.date()),
        avs_result=past.card.avs_result,
        cvv_result=past.card.cvv_result,
    )
    if past.outcome == "declined":
        charge.decline_code = past.card.decline_code or "generic_decline"
    else:
        charge.authorization_expires_at = moment(past.created_at + AUTHORIZATION_LIFE)
    _add(turn, past, charge, "authorize", at=past.created_at)
    for step in STEPS[past.outcome]:
        _apply(charge, past, step)
        _add(turn, past, charge, step, at=past.moment_of(step))
    if past.outcome == "expired":
        charge.status = "expired"
        save(turn.db, charge, past.created_at + AUTHORIZATION_LIFE)
    return charge


def _apply(charge: Charge, past: Past, step: str) -> None:
    if step == "void":
        charge.status = "voided"
    elif step == "capture":
        charge.status, charge.amount_captured = "captured", past.captured
    elif step == "refund":
        charge.amount_refunded = past.refunded
    else:
        charge.disputed = True


def _add(turn: Turn, past: Past, charge: Charge, name: str, *, at: datetime) -> None:
    result = Result.DECLINED if charge.status == "declined" else Result.SUCCEEDED
    then = _turn_of(turn, past, name, at)
    operation = then.operation(name, past.amount_of(name), past.currency, result)
    record(turn.db, charge, operation)
    save(turn.db, charge, at)
    if name != "dispute":  # nobody's call
        subject = Subject(charge.id, None, charge.order, operation.amount, operation.currency)
        add_entry(turn.db, Entry(then.at, name, then.key, subject, result, replayed=False, answered=True))


def _turn_of(turn: Turn, past: Past, name: str, at: datetime) -> Turn:
    """The turn this would have been."""
    return replace(turn, now=at, key=f"{past.key}:{name}" if past.key else None)
