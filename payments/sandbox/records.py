"""Charges and shipments as the sandbox keeps them: whole documents, with every earlier version beside the newest."""

import json
import secrets
import sqlite3
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from payments.sandbox.journal import moment
from payments.sandbox.messages import JsonObject, encode

AUTHORIZATION_LIFE = timedelta(days=7)


@dataclass
class Operation:
    """One thing asked of a charge or a shipment; its id is the transaction id. Amount in minor units."""

    id: str
    operation: str
    amount: int | None
    currency: str | None
    idempotency_key: str | None
    status: str
    at: str
    error: JsonObject | None = None


@dataclass
class Document:
    """What charges and shipments have in common. `operations` is oldest first."""

    id: str
    order: str
    status: str
    created_at: str
    operations: list[Operation] = field(default_factory=list, kw_only=True)

    @classmethod
    def of(cls, body: JsonObject) -> Self:
        return cls(**{**body, "operations": [Operation(**operation) for operation in body["operations"]]})

    def public(self) -> JsonObject:
        """The document as the API shows it."""
        return {**vars(self), "operations": [vars(operation) for operation in self.operations]}

    def operation(self, identity: str) -> Operation:
        return next(operation for operation in self.operations if operation.id == identity)


@dataclass
class Charge(Document):
    amount: int
    currency: str
    payment_method: str
    card: JsonObject
    avs_result: str
    cvv_result: str
    decline_code: str | None = None
    authorization_expires_at: str | None = None
    amount_captured: int = 0
    amount_refunded: int = 0
    disputed: bool = False
    """Its money is on the way back, or gone: it can no longer be refunded."""
    dispute: JsonObject | None = None
    next_action: JsonObject | None = None
    return_url: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def refundable(self) -> int:
        """Captured and not yet given back, in minor units."""
        return self.amount_captured - self.amount_refunded


@dataclass
class Shipment(Document):
    tracking_number: str
    address: JsonObject


KINDS: dict[str, type[Charge] | type[Shipment]] = {"charge": Charge, "shipment": Shipment}


def new_id(prefix: str, now: datetime) -> str:
    """Ids made later sort later, down to the millisecond."""
    return f"{prefix}_{int(now.timestamp() * 1000):012x}{secrets.token_hex(6)}"


def save(db: sqlite3.Connection, document: Charge | Shipment, now: datetime) -> None:
    body = encode(document.public())
    kind = "charge" if isinstance(document, Charge) else "shipment"
    expires_at = document.authorization_expires_at if isinstance(document, Charge) else None
    db.execute(
        'INSERT INTO documents (id, kind, "order", status, expires_at, body) VALUES (?, ?, ?, ?, ?, ?)'
        " ON CONFLICT (id) DO UPDATE SET status = excluded.status,"
        " expires_at = excluded.expires_at, body = excluded.body",
        (document.id, kind, document.order, document.status, expires_at, body),
    )
    db.execute("INSERT INTO versions (document, at, body) VALUES (?, ?, ?)", (document.id, moment(now), body))


def find(db: sqlite3.Connection, identity: str, *, as_of: datetime | None = None) -> Charge | Shipment | None:
    """The document, as it is or as it was; None when it is not there, or was not yet."""
    row = db.execute("SELECT kind, body FROM documents WHERE id = ?", (identity,)).fetchone()
    if row is None:
        return None
    body = row["body"] if as_of is None else _version(db, identity, as_of)
    return KINDS[row["kind"]].of(json.loads(body)) if body is not None else None


def _version(db: sqlite3.Connection, identity: str, as_of: datetime) -> bytes | None:
    row = db.execute(
        "SELECT body FROM versions WHERE document = ? AND at <= ? ORDER BY at DESC, rowid DESC LIMIT 1",
        (identity, moment(as_of)),
    ).fetchone()
    return row["body"] if row is not None else None


def find_charge(db: sqlite3.Connection, identity: str) -> Charge | None:
    found = find(db, identity)
    return found if isinstance(found, Charge) else None


def record(db: sqlite3.Connection, document: Charge | Shipment, operation: Operation) -> None:
    """Put a new operation beside its document; the caller saves the document."""
    document.operations.append(operation)
    record_alone(db, operation, order=document.order, document=document.id)


def record_alone(db: sqlite3.Connection, operation: Operation, *, order: str, document: str | None) -> None:
    """An operation that led to no document: a shipment the carrier refused."""
    row = vars(operation) | {"document": document, "order": order}
    row["error"] = json.dumps(operation.error) if operation.error else None
    db.execute(
        'INSERT INTO operations (id, operation, idempotency_key, document, "order", amount, currency, status, at,'
        " error) VALUES (:id, :operation, :idempotency_key, :document, :order, :amount, :currency, :status, :at,"
        " :error)",
        row,
    )


def conclude(db: sqlite3.Connection, operation: Operation, status: str) -> None:
    """Change the status of an operation whose outcome came later; the caller saves its document."""
    operation.status = status
    db.execute("UPDATE operations SET status = ? WHERE id = ?", (status, operation.id))
