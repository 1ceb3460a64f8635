"""What really happened to an order, as the sandbox remembers it."""

from typing import Any

from django.db.models.functions import Now

from payments.models import SagaExecution
from tests.payments.builders import (
    LONG_AGO,
    order_of,
)
from tests.sandbox import Sandbox


def journal(sandbox: Sandbox, saga: SagaExecution, *operations: str) -> list[dict[str, Any]]:
    """What the gateway and the carrier were asked about the order."""
    of_order = [entry for entry in sandbox.journal() if entry["order"] == order_of(saga).public_id]
    return [entry for entry in of_order if not operations or entry["operation"] in operations]


def effective(sandbox: Sandbox, saga: SagaExecution) -> list[str]:
    """What really happened there, in order."""
    return [e["operation"] for e in journal(sandbox, saga) if e["result"] == "succeeded" and not e["replayed"]
            and e["operation"] != "look_up"]  # fmt: skip


def key_numbers(sandbox: Sandbox, saga: SagaExecution, operation: str) -> list[int]:
    return [int(entry["idempotency_key"].rpartition(":")[2]) for entry in journal(sandbox, saga, operation)]


def overdue(saga: SagaExecution) -> SagaExecution:
    SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() - LONG_AGO)
    return saga


def assert_nothing_was_taken(sandbox: Sandbox, saga: SagaExecution, order_status: str = "payment_failed") -> None:
    """The order can be paid for again, its stock is back and no charge is live."""
    order = order_of(saga)
    assert (saga.state, order.status, order.paid_minor) == ("compensated", order_status, 0)
    assert set(order.reservations.values_list("state", flat=True)) <= {"released"}
    captured = sum(entry["amount"] for entry in sandbox.effective("capture") if entry["order"] == order.public_id)
    refunded = sum(entry["amount"] for entry in sandbox.effective("refund") if entry["order"] == order.public_id)
    assert captured == refunded
    for charge in order.charges.all():
        assert charge.status in ("voided", "declined", "failed") or charge.captured_minor == charge.refunded_minor
