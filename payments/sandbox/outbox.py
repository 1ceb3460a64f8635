"""Events waiting to be sent: written in the transaction that causes them, so that a crash loses none."""

import sqlite3
from dataclasses import dataclass

from payments.sandbox.messages import JsonObject, encode


@dataclass(frozen=True, slots=True)
class Sending:
    """How often and when (Unix time) an event is sent."""

    copies: int
    due_at: float
    is_newest_first: bool = False
    """Among the events due at the same instant."""


@dataclass(frozen=True, slots=True)
class Parcel:
    sequence: int
    body: bytes
    copies: int
    tries: int


def end_of_window(at: float, seconds: float) -> float:
    """The end of the fixed window that `at` lies in: all events of one window are due at the same instant."""
    return (at // seconds + 1) * seconds


def add(db: sqlite3.Connection, event: JsonObject, *, plan: Sending) -> None:
    db.execute(
        "INSERT INTO outbox (body, copies, due_at, direction) VALUES (?, ?, ?, ?)",
        (encode(event), plan.copies, plan.due_at, -1 if plan.is_newest_first else 1),
    )


def due(db: sqlite3.Connection, now: float, *, limit: int) -> list[Parcel]:
    rows = db.execute(
        "SELECT sequence, body, copies, tries FROM outbox WHERE state = 'pending' AND due_at <= ?"
        " ORDER BY due_at, direction * sequence LIMIT ?",
        (now, limit),
    )
    return [Parcel(*row) for row in rows]


def next_due_at(db: sqlite3.Connection) -> float | None:
    """When the next event is due (Unix time), None when none is waiting."""
    earliest: float | None = db.execute("SELECT min(due_at) FROM outbox WHERE state = 'pending'").fetchone()[0]
    return earliest


def close(db: sqlite3.Connection, parcel: Parcel, state: str) -> None:
    """Nothing more is sent: the event was `delivered`, or is `given_up`."""
    db.execute("UPDATE outbox SET state = ?, tries = tries + 1 WHERE sequence = ?", (state, parcel.sequence))


def put_off(db: sqlite3.Connection, parcel: Parcel, due_at: float) -> None:
    db.execute("UPDATE outbox SET tries = tries + 1, due_at = ? WHERE sequence = ?", (due_at, parcel.sequence))
