"""A cardholder's bank takes a payment back, and what becomes of that."""

from datetime import timedelta
from typing import Final

from payments.sandbox import fields
from payments.sandbox.gateway import require_charge
from payments.sandbox.journal import Subject, moment
from payments.sandbox.messages import Refusal, Request
from payments.sandbox.records import Charge, Operation, new_id, record, save
from payments.sandbox.turn import Outcome, Result, Turn

EVIDENCE_DUE_AFTER: Final = timedelta(days=7)
VERDICTS: Final = ("won", "lost")


def dispute(turn: Turn, charge: Charge) -> None:
    """The cardholder disputes what is not yet refunded; the gateway takes it back at once."""
    if charge.refundable <= 0:
        return
    operation = _record(turn, charge, "dispute", new_id("sdp", turn.now), charge.refundable)
    charge.disputed = True
    charge.dispute = {
        "id": operation.id,
        "status": "open",
        "amount": operation.amount,
        "currency": operation.currency,
        "reason": "fraudulent",
        "evidence_due_at": moment(turn.now + EVIDENCE_DUE_AFTER),
    }
    save(turn.db, charge, turn.now)
    turn.emit("dispute.opened", charge, operation)


def close(turn: Turn, request: Request) -> Outcome:
    """POST /disputes/{charge}: the bank's verdict, `{"status": "won"}` (the money comes back) or `"lost"`."""
    charge = require_charge(turn, request)
    verdict = fields.text(request.body, "status")
    if verdict not in VERDICTS:
        raise Refusal(400, "parameter_invalid", f"status must be one of {', '.join(VERDICTS)}.")
    if charge.dispute is None or charge.dispute["status"] != "open":
        raise Refusal(409, "dispute_not_open", "The charge has no open dispute.")
    charge.dispute |= {"status": verdict}
    disputed = charge.operation(charge.dispute["id"])
    if verdict == "won":
        charge.disputed = False
        _record(turn, charge, "dispute_reversal", new_id("sdr", turn.now), disputed.amount or 0)
    save(turn.db, charge, turn.now)
    turn.emit(f"dispute.{verdict}", charge, disputed)
    subject = Subject(charge.id, None, charge.order, disputed.amount, disputed.currency)
    return Outcome(200, {"charge": charge.public()}, Result.SUCCEEDED, subject)


def _record(turn: Turn, charge: Charge, name: str, identity: str, amount: int) -> Operation:
    operation = Operation(identity, name, amount, charge.currency, None, Result.SUCCEEDED, turn.at)
    record(turn.db, charge, operation)
    return operation
