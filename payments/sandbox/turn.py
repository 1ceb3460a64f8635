"""One call's turn at the journal: what it may do inside the transaction, and what comes of it."""

import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from payments.sandbox import outbox
from payments.sandbox.faults import Faults
from payments.sandbox.journal import Subject, moment
from payments.sandbox.messages import Delivery, JsonObject, Refusal
from payments.sandbox.records import Charge, Operation, new_id


class Result(StrEnum):
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REQUIRES_ACTION = "requires_action"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to."""

    status: int
    body: JsonObject
    result: Result
    subject: Subject
    is_definite: bool = False
    """Kept under the call's key, and replayed to whoever sends the key again."""
    delivery: Delivery = Delivery.ANSWER


@dataclass(slots=True)
class Turn:
    """Inside one transaction: everything written through it is committed together, before the answer."""

    db: sqlite3.Connection
    now: datetime
    faults: Faults
    public_url: str
    key: str | None = None
    news: set[str] = field(default_factory=set, init=False)
    """The background threads that have something new to look at: `webhooks`, `appointments`."""

    @property
    def at(self) -> str:
        return moment(self.now)

    def operation(self, name: str, amount: int | None, currency: str | None, status: str) -> Operation:
        return Operation(new_id("stx", self.now), name, amount, currency, self.key, status, self.at)

    def distort(self, operation: str, amount: int, currency: str) -> tuple[int, str]:
        """The amount and currency that are really moved: those asked for, unless a fault says otherwise."""
        if self.faults.take(operation, "wrong_amount"):
            amount = amount - 1 if amount > 1 else amount + 1
        if self.faults.take(operation, "wrong_currency"):
            currency = "EUR" if currency != "EUR" else "USD"
        return amount, currency

    def emit(self, kind: str, charge: Charge, operation: Operation | None = None) -> None:
        """Put an event into the outbox."""
        data = {"charge": charge.public(), "operation": vars(operation) if operation else None}
        event = {"id": new_id("evt", self.now), "type": kind, "created_at": self.at, "data": data}
        outbox.add(self.db, event, plan=self._sending(operation.operation if operation else kind))
        self.news.add("webhooks")

    def schedule(self, kind: str, charge: Charge, *, seconds: float, operation: Operation | None = None) -> None:
        """Have `payments.sandbox.appointments` do something to the charge later."""
        self.db.execute(
            "INSERT INTO appointments (due_at, kind, charge, operation) VALUES (?, ?, ?, ?)",
            (self.now.timestamp() + seconds, kind, charge.id, operation.id if operation else None),
        )
        self.news.add("appointments")

    def _sending(self, operation: str) -> outbox.Sending:
        now = self.now.timestamp()
        copies = 2 if self.faults.take(operation, "duplicate_webhooks") else 1
        delay = self.faults.take(operation, "delay_webhooks")
        held = self.faults.take(operation, "reorder_webhooks")
        due_at = now + ((delay.seconds if delay else 0) or 0)
        if held and held.seconds:
            return outbox.Sending(copies, outbox.end_of_window(due_at, held.seconds), is_newest_first=True)
        return outbox.Sending(copies, due_at)


def nothing_done(subject: Subject, refusal: Refusal, delivery: Delivery = Delivery.ANSWER) -> Outcome:
    """The call changed nothing. Only a conflict with what the charge is now is an answer worth keeping."""
    is_conflict = refusal.status == 409
    return Outcome(refusal.status, refusal.body, Result.FAILED, subject, is_conflict, delivery)
