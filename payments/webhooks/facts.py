"""What an event can touch, as plain data: read before it is acted on and after, and compared."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import models

from orders.models import Order
from payments.models import (
    ChargeAttempt,
    Dispute,
    GatewayOutcome,
    LedgerPosting,
    Refund,
    SagaExecution,
    SagaStep,
    WebhookEvent,
)

Row = Mapping[str, Any]
Facts = dict[tuple[str, str], Row]
"""Rows by what they are and how they are called."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one kind; `path` leads to the order that they belong to."""

    kind: str
    model: type[models.Model]
    path: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One row that is another now. `before` is empty where there was none; amounts are in minor units of `currency`."""

    kind: str
    name: str
    before: Row
    after: Row

    @property
    def is_new(self) -> bool:
        return not self.before


AMOUNT: Final = ("amount_minor", "currency")
AMOUNTS: Final = ("authorized_minor", "captured_minor", "refunded_minor", "refund_pending_minor")
EVENT: Final = Table("event", WebhookEvent, "pk", ("status", "error"))
TABLES: Final = (
    Table("charge", ChargeAttempt, "order_id", ("status", "currency", *AMOUNTS, "gateway_reference")),
    Table("order", Order, "pk", ("status", "currency", "paid_minor")),
    Table("refund", Refund, "charge__order_id", ("status", "currency", "amount_minor")),
    Table("dispute", Dispute, "charge__order_id", ("status", "is_withdrawn", "reason", *AMOUNT)),
    Table("step", SagaStep, "saga__order_id", ("told",)),
    Table("outcome", GatewayOutcome, "charge__order_id", ("operation", "transaction_id", *AMOUNT)),
    Table("posting", LedgerPosting, "charge__order_id", ("kind", "transaction_id", "debit", "credit", *AMOUNT)),
    Table("saga", SagaExecution, "order_id", ("definition", "state", "wake_seq")),
)
"""In the order in which changes are told."""


def read(event: WebhookEvent, order_id: UUID | None) -> Facts:
    """The event, and everything about the order that it may touch."""
    facts = dict(_rows(EVENT, event.pk))
    if order_id is not None:
        for table in TABLES:
            facts |= dict(_rows(table, order_id))
    return facts


def _rows(table: Table, key: UUID) -> Iterator[tuple[tuple[str, str], Row]]:
    for row in table.model._default_manager.filter(**{table.path: key}).order_by("pk"):
        yield (table.kind, str(row)), {name: getattr(row, name) for name in table.fields}


def differences(before: Facts, after: Facts) -> tuple[Change, ...]:
    """Nothing an event does deletes a row."""
    changed = ((key, before.get(key, {}), row) for key, row in after.items())
    return tuple(Change(*key, old, new) for key, old, new in changed if old != new)
