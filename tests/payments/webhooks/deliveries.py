"""Events as the sandbox sends them, delivered over HTTP and acted on until nothing is left to do."""

import json
import time
from typing import Any

from django.db.models.functions import Now
from django.test import Client

from orders.ids import new_id
from payments.models import SagaExecution, WebhookEvent
from payments.sandbox.signing import sign
from payments.webhooks import inbox
from tests.payments.builders import LONG_AGO, charge_of
from tests.sandbox import Sandbox

SECRET = "whsec_sandbox"

Json = dict[str, Any]


def charge_at_the_sandbox(sandbox: Sandbox, saga: SagaExecution) -> Json:
    charge: Json = sandbox.get(f"/v1/charges/{charge_of(saga).gateway_reference}").json()["charge"]
    return charge


def event(kind: str, charge: Json, operation: Json, **changes: Any) -> bytes:
    """About `operation` of `charge`; `changes` are to the operation."""
    data = {"charge": charge, "operation": {**operation, **changes}}
    return json.dumps({"id": f"evt_{new_id()}", "type": kind, "data": data}).encode()


def deliver(
    body: bytes, *, secret: str = SECRET, age: int = 0, gateway: str = "sandbox", header: str = "", sent: bytes = b""
) -> Any:
    """`body` is what was signed; `sent` what arrives, if that is something else."""
    signature = header or sign(body, secrets=[secret], timestamp=int(time.time()) - age)
    return Client().post(
        f"/v1/webhooks/{gateway}",
        sent or body,
        content_type="application/json",
        headers={"Sandbox-Signature": signature},
    )


def act_on_all() -> None:
    """Until nothing is open any more, as if each pause were over."""
    for _ in range(inbox.MAX_ATTEMPTS * WebhookEvent.objects.count()):
        WebhookEvent.objects.filter(status__in=WebhookEvent.OPEN).update(next_attempt_at=Now() - LONG_AGO)
        if not inbox.apply_next():
            return
