"""What the customer answers to a 3D Secure challenge."""

from payments.sandbox.gateway import require_charge
from payments.sandbox.journal import Subject, moment
from payments.sandbox.messages import Refusal, Request
from payments.sandbox.records import AUTHORIZATION_LIFE, Charge, Operation, conclude, save
from payments.sandbox.turn import Outcome, Result, Turn


def approve(turn: Turn, request: Request) -> Outcome:
    """The customer proved to be the cardholder: the authorization succeeds."""
    charge, operation = _challenged(turn, request)
    charge.status = "authorized"
    charge.authorization_expires_at = moment(turn.now + AUTHORIZATION_LIFE)
    conclude(turn.db, operation, Result.SUCCEEDED)
    outcome = _concluded(turn, charge, Result.SUCCEEDED)
    turn.emit("charge.authentication_succeeded", charge, operation)
    turn.emit("charge.authorized", charge, operation)
    return outcome


def fail(turn: Turn, request: Request) -> Outcome:
    """The customer did not prove to be the cardholder: the charge failed for good."""
    charge, operation = _challenged(turn, request)
    charge.status, charge.decline_code = "failed", "authentication_failed"
    operation.error = {"code": "authentication_failed", "message": "The customer failed the challenge."}
    conclude(turn.db, operation, Result.FAILED)
    outcome = _concluded(turn, charge, Result.FAILED)
    turn.emit("charge.authentication_failed", charge, operation)
    return outcome


def _challenged(turn: Turn, request: Request) -> tuple[Charge, Operation]:
    charge = require_charge(turn, request)
    if charge.status != "requires_action":
        raise Refusal(409, "challenge_closed", f"The charge is {charge.status}: there is nothing to confirm.")
    return charge, next(o for o in charge.operations if o.operation == "authorize")


def _concluded(turn: Turn, charge: Charge, result: Result) -> Outcome:
    charge.next_action = None
    save(turn.db, charge, turn.now)
    subject = Subject(charge.id, None, charge.order, charge.amount, charge.currency)
    return Outcome(200, {"charge": charge.public()}, result, subject)
