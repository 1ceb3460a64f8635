"""What happens to charges later, by itself: disputes, refunds that fail, authorizations that run out."""

import time
from datetime import UTC, datetime

from payments.sandbox.calls import Calls
from payments.sandbox.disputes import dispute
from payments.sandbox.journal import Journal, moment
from payments.sandbox.records import Charge, Operation, conclude, find_charge, save
from payments.sandbox.turn import Result, Turn

NOTHING_TO_DO_SECONDS = 3600.0


def keep_appointments(calls: Calls) -> float:
    """Do what is due; seconds until the next is."""
    if _seconds_to_next(calls.journal) <= 0:
        with calls.turn() as turn:
            _keep_what_is_due(turn)
            expire(turn, due_by=turn.at)
    return max(0.01, _seconds_to_next(calls.journal))


def expire(turn: Turn, *, due_by: str) -> int:
    """Let the authorizations run out that end by `due_by` (ISO 8601); how many did."""
    ids = turn.db.execute(
        "SELECT id FROM documents WHERE status = 'authorized' AND expires_at <= ? ORDER BY rowid", (due_by,)
    ).fetchall()
    charges = [charge for (identity,) in ids if (charge := find_charge(turn.db, identity))]
    for charge in charges:
        charge.status = "expired"
        save(turn.db, charge, turn.now)
        turn.emit("charge.expired", charge)
    return len(charges)


def _seconds_to_next(journal: Journal) -> float:
    with journal.snapshot() as db:
        due_at = db.execute("SELECT min(due_at) FROM appointments").fetchone()[0]
        expires_at = db.execute("SELECT min(expires_at) FROM documents WHERE status = 'authorized'").fetchone()[0]
    times = [due_at] if due_at is not None else []
    if expires_at is not None:
        times.append(datetime.fromisoformat(expires_at).timestamp())
    return min(times) - time.time() if times else NOTHING_TO_DO_SECONDS


def _keep_what_is_due(turn: Turn) -> None:
    now = turn.now.timestamp()
    for row in turn.db.execute("SELECT * FROM appointments WHERE due_at <= ? ORDER BY due_at", (now,)).fetchall():
        charge = find_charge(turn.db, row["charge"])
        if charge is not None and row["kind"] == "dispute":
            dispute(turn, charge)
        if charge is not None and row["kind"] == "fail_refund":
            _fail_refund(turn, charge, charge.operation(row["operation"]))
        turn.db.execute("DELETE FROM appointments WHERE sequence = ?", (row["sequence"],))


def _fail_refund(turn: Turn, charge: Charge, refund: Operation) -> None:
    charge.amount_refunded -= refund.amount or 0
    refund.error = {"code": "refund_failed", "message": "The card's issuer sent the money back."}
    conclude(turn.db, refund, Result.FAILED)
    save(turn.db, charge, turn.now)
    turn.emit("refund.failed", charge, refund)


def expire_everything(turn: Turn) -> int:
    """The expire_authorizations fault."""
    return expire(turn, due_by=moment(datetime.max.replace(tzinfo=UTC)))
