"""Reading back what happened. Strongly consistent, unless the lagging_look_up fault says how far to lag behind."""

import json
import sqlite3
from datetime import datetime, timedelta

from payments.sandbox import fields
from payments.sandbox.journal import Subject, moment
from payments.sandbox.messages import JsonObject, Refusal, Request
from payments.sandbox.records import Charge, Shipment, find
from payments.sandbox.turn import Outcome, Result, Turn


def look_up_charge(turn: Turn, request: Request) -> Outcome:
    """GET /v1/charges/{id}."""
    charge = find(turn.db, request.target, as_of=_as_of(turn))
    if not isinstance(charge, Charge):
        raise Refusal(404, "charge_not_found", f"There is no charge {request.target!r}.")
    return _found({"charge": charge.public()}, _subject(charge))


def look_up_shipment(turn: Turn, request: Request) -> Outcome:
    """GET /v1/shipments/{id}."""
    shipment = find(turn.db, request.target, as_of=_as_of(turn))
    if not isinstance(shipment, Shipment):
        raise Refusal(404, "shipment_not_found", f"There is no shipment {request.target!r}.")
    return _found({"shipment": shipment.public()}, _subject(shipment))


def look_up_charges(turn: Turn, request: Request) -> Outcome:
    """GET /v1/charges?order=: the charges of one order, oldest first."""
    return _listed(turn, request, "charge")


def look_up_shipments(turn: Turn, request: Request) -> Outcome:
    """GET /v1/shipments?order=: the shipments of one order, oldest first."""
    return _listed(turn, request, "shipment")


def _listed(turn: Turn, request: Request, kind: str) -> Outcome:
    order = fields.text(dict(request.query), "order")
    rows = turn.db.execute('SELECT id FROM documents WHERE "order" = ? AND kind = ? ORDER BY rowid', (order, kind))
    as_of = _as_of(turn)
    documents = [document for row in rows.fetchall() if (document := find(turn.db, row["id"], as_of=as_of))]
    return _found({f"{kind}s": [document.public() for document in documents]}, Subject(order=order))


def look_up_operations(turn: Turn, request: Request) -> Outcome:
    """GET /v1/operations?idempotency_key=: what was done under a key. Empty: nothing was."""
    key = fields.text(dict(request.query), "idempotency_key")
    as_of = _as_of(turn)
    rows = turn.db.execute(
        "SELECT * FROM operations WHERE idempotency_key = ? AND at <= ? ORDER BY rowid",
        (key, moment(as_of or turn.now)),
    ).fetchall()
    operations = [_operation(turn.db, row, as_of) for row in rows]
    return _found({"operations": operations}, _subject_of_rows(rows))


def look_up_operation(turn: Turn, request: Request) -> Outcome:
    """GET /v1/operations/{id}: one thing that was done, beside the charge or shipment it was done to."""
    as_of = _as_of(turn)
    rows = turn.db.execute(
        "SELECT * FROM operations WHERE id = ? AND at <= ?", (request.target, moment(as_of or turn.now))
    ).fetchall()
    if not rows:
        raise Refusal(404, "operation_not_found", f"There is no operation {request.target!r}.")
    return _found({"operation": _operation(turn.db, rows[0], as_of)}, _subject_of_rows(rows))


def _as_of(turn: Turn) -> datetime | None:
    lag = turn.faults.take("look_up", "lagging_look_up")
    return turn.now - timedelta(seconds=lag.seconds) if lag and lag.seconds else None


def _operation(db: sqlite3.Connection, row: sqlite3.Row, as_of: datetime | None) -> JsonObject:
    """The operation beside the document it belongs to, both of the same moment."""
    document = find(db, row["document"], as_of=as_of) if row["document"] else None
    if document is None:
        names = ("id", "operation", "amount", "currency", "idempotency_key", "status", "at")
        error = json.loads(row["error"]) if row["error"] else None
        return {**{name: row[name] for name in names}, "error": error, "charge": None, "shipment": None}
    kind = "charge" if isinstance(document, Charge) else "shipment"
    return {**vars(document.operation(row["id"])), "charge": None, "shipment": None, kind: document.public()}


def _subject_of_rows(rows: list[sqlite3.Row]) -> Subject:
    if not rows:
        return Subject()
    row = rows[-1]
    is_shipment = row["operation"] in ("ship", "cancel_shipment")
    document = row["document"]
    charge, shipment = (None, document) if is_shipment else (document, None)
    return Subject(charge, shipment, row["order"], row["amount"], row["currency"])


def _subject(document: Charge | Shipment) -> Subject:
    if isinstance(document, Shipment):
        return Subject(None, document.id, document.order)
    return Subject(document.id, None, document.order, document.amount, document.currency)


def _found(body: JsonObject, subject: Subject) -> Outcome:
    return Outcome(200, body, Result.SUCCEEDED, subject)
