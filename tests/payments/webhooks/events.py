"""Events about a saga's charge, as the sandbox would send them, and put into the inbox as they would be there."""

import json
from typing import Any

from orders.ids import new_id
from payments.models import ChargeAttempt, SagaExecution, WebhookEvent
from tests.payments.builders import charge_of, run_checkout
from tests.sandbox import Sandbox

LATE = {"operation": "capture", "status": "succeeded"}


def body_of(sandbox: Sandbox, saga: SagaExecution, kind: str, event_id: str, **operation: Any) -> str:
    """About the latest operation on the saga's charge, or what `operation` makes of it."""
    reference = charge_of(saga).gateway_reference
    facts = sandbox.get(f"/v1/charges/{reference}").json()["charge"]
    told = facts["operations"][-1] | operation
    return json.dumps({"id": event_id, "type": kind, "data": {"charge": facts, "operation": told}})


def archive(body: str, **fields: Any) -> WebhookEvent:
    """As it was received, unless the fields say otherwise."""
    told = json.loads(body)
    return WebhookEvent.objects.create(gateway="sandbox", event_id=told["id"], kind=told["type"], body=body, **fields)


def known_capture(sandbox: Sandbox, saga: SagaExecution | None = None, **fields: Any) -> WebhookEvent:
    """An event that was acted on when it came: its capture is booked."""
    saga = saga or run_checkout()
    body = body_of(sandbox, saga, "charge.captured", f"evt_{new_id()}")
    return archive(body, **{"status": "processed", "attempts": 1, "charge": charge_of(saga), **fields})


def late_capture(sandbox: Sandbox, saga: SagaExecution | None = None, **fields: Any) -> WebhookEvent:
    """Money that was taken after its charge was voided; nobody was there to act on the event."""
    saga = saga or run_checkout(payment_method="tok_capture_fails")
    amount, number = charge_of(saga).amount_minor, new_id()
    body = body_of(sandbox, saga, "charge.captured", f"evt_{number}", id=f"stx_{number}", amount=amount, **LATE)
    return archive(body, **{"status": "failed", "attempts": 12, "error": "OperationalError", **fields})


def missed_capture(sandbox: Sandbox, **fields: Any) -> WebhookEvent:
    """The capture that our books do not have: as if neither its answer nor its event had ever been booked."""
    saga = run_checkout(payment_method="tok_capture_fails")
    ChargeAttempt.objects.filter(saga=saga).update(status="authorized", authorized_minor=charge_of(saga).amount_minor)
    return late_capture(sandbox, saga, **fields)


def nonsense(**fields: Any) -> WebhookEvent:
    """What nobody can act on, however often it is tried."""
    told = {"charge": {"id": 1}, "operation": {"operation": "x"}}
    body = json.dumps({"id": f"evt_{new_id()}", "type": "charge.captured", "data": told})
    return archive(body, **{"status": "failed", "attempts": 12, "error": "KeyError", **fields})
