"""Makes a hundred orders a hundred thousand: every row of the demo's history is copied in SQL, many times.

A copy has ids of its own in the same millisecond, names of its own where a name must be unique, and points at copies.
"""

from typing import Any, Final

from django.db import connection, models, transaction

from fraud.models import Decision, ReviewCase
from orders.models import Order, OrderLine, Reservation, Shipment
from payments.models import (
    ChargeAttempt,
    ClientEvent,
    Dispute,
    EventDelivery,
    GatewayOutcome,
    LedgerPosting,
    Refund,
    SagaEvent,
    SagaExecution,
    SagaIntervention,
    SagaStep,
    WebhookEndpoint,
    WebhookEvent,
)

COPIED: Final = (
    Order, OrderLine, Reservation, Shipment, SagaExecution, SagaStep, SagaEvent, ChargeAttempt, Refund, Dispute,
    GatewayOutcome, LedgerPosting, SagaIntervention, WebhookEvent, Decision, ReviewCase,
    ClientEvent, WebhookEndpoint, EventDelivery,
)  # fmt: skip
RENAMED: Final = frozenset(
    {
        "reference",
        "business_key",
        "transaction_id",
        "gateway_reference",
        "carrier_reference",
        "attempt",
        "key",
        "event_id",
        "subject",
    }
)
CUSTOMERS: Final = 200
"""Copies of a customer; the orders of a copy are theirs."""


_KEYS: Final = """
    INSERT INTO payments_idempotencykey (client_id, key, fingerprint, request_id, headers, answer, created_at)
    SELECT client_id, saga.id::text, md5(saga.id::text), 'req-' || saga.id, '{}', '', saga.created_at
    FROM payments_sagaexecution AS saga JOIN orders_order ON orders_order.id = saga.order_id
"""
_USES: Final = """
    UPDATE payments_sagaexecution AS saga SET idempotency_key_id = used.id
    FROM payments_idempotencykey AS used WHERE used.key = saga.id::text
"""


def multiply(times: int) -> None:
    """Add so many copies of every order and of all that belongs to it. PostgreSQL only."""
    with transaction.atomic(), connection.cursor() as cursor:
        for model in COPIED:
            cursor.execute(_copying(model), {"times": times, "customers": CUSTOMERS})
        cursor.execute(_KEYS)  # the demo's past was not asked for over HTTP; a shop's is
        cursor.execute(_USES)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _copying(model: type[models.Model]) -> str:
    fields: Any = [field for field in model._meta.local_fields if not isinstance(field, models.AutoField)]
    table = model._meta.db_table
    values = ", ".join(_value(field) for field in fields)
    columns = ", ".join(field.column for field in fields)
    # The names are those of our own models: nothing of this comes from outside.
    return f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table}, generate_series(1, %(times)s) AS copy"  # noqa: S608


def _value(field: Any) -> str:
    column: str = field.column
    target = field.target_field if field.is_relation else field
    if isinstance(target, models.UUIDField):
        return f"overlay({column}::text placing substr(md5({column}::text || copy), 1, 12) from 25)::uuid"
    if column in RENAMED:
        return f"CASE {column} WHEN '' THEN '' ELSE {column} || '-' || copy END"
    if column in ("customer_email", "customer_id"):
        return f"(copy %% %(customers)s) || '-' || {column}"
    return column
