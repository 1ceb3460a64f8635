"""The use cases of moving money. Each is one public function."""

from dataclasses import dataclass
from time import monotonic
from uuid import uuid4

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from orders import services as orders
from orders.models import Order
from payments.errors import IdempotencyInFlightError
from payments.gateways import registry as gateways
from payments.models import IdempotencyKey, SagaExecution
from payments.sagas import engine, leases, registry
from payments.sagas.checkout import CHECKOUT
from payments.sagas.run import Run

log = structlog.get_logger(__name__)

INLINE = "request:"
"""What the owner of a lease begins with while a client waits for its answer."""


@dataclass(frozen=True, slots=True)
class Payment:
    """How the customer wants to pay. `payment_method` is the gateway's token for a card, never its number."""

    payment_method: str
    gateway: str
    customer_ip: str = ""
    device_fingerprint: str = ""
    return_url: str = ""


def require_payable_with(payment: Payment) -> None:
    """Raise UnknownGatewayError or InvalidRequestError for what can never be charged, before anything is begun."""
    gateways.gateway(payment.gateway).require_known(payment.payment_method)


def start_checkout(order: Order, payment: Payment, *, key: IdempotencyKey, is_inline: bool) -> Run:
    """Begin the checkout of a payable order, in the caller's transaction; raise OrderNotPayable.

    `is_inline`: this process takes the lease with the same insert, and carries the saga on itself.
    """
    number = orders.begin_checkout(order)
    lease = leases.until() if is_inline else {}
    saga = SagaExecution.objects.create(
        definition=CHECKOUT.name,
        version=CHECKOUT.version,
        business_key=f"{order.public_id}:{number}",
        order=order,
        idempotency_key=key,
        state=SagaExecution.State.RUNNING if is_inline else SagaExecution.State.PENDING,
        lease_owner=f"{INLINE}{uuid4()}" if is_inline else "",
        epoch=1 if is_inline else 0,
        context={
            "checkout_number": number,
            "gateway": payment.gateway,
            "payment_method": payment.payment_method,
            "customer_ip": payment.customer_ip,
            "device_fingerprint": payment.device_fingerprint,
            "return_url": payment.return_url,
        },
        **lease,
    )
    run = Run(saga, CHECKOUT, database_now=saga.created_at, is_new=True)
    run.order = order
    run.charge = None
    return run


def carry_on(run: Run) -> None:
    """Carry an inline saga on for as long as a client waits; the worker finishes the rest."""
    until = monotonic() + settings.CHECKOUT_WAIT_SECONDS
    engine.drive(run, should_stop=lambda: monotonic() > until)


def attach(saga: SagaExecution) -> None:
    """Carry on what an earlier request began, should it have died.

    Raise IdempotencyInFlightError while that request is at it. A saga that waits, ended, or is in a worker's hands
    is left alone.
    """
    leased = SagaExecution.objects.filter(pk=saga.pk, lease_owner__startswith=INLINE, lease_until__gt=Now())
    if leased.exists():
        raise IdempotencyInFlightError
    if SagaExecution.objects.due(registry.versions()).filter(pk=saga.pk).exists():
        until = monotonic() + settings.CHECKOUT_WAIT_SECONDS
        engine.advance(saga.pk, owner=f"{INLINE}{uuid4()}", should_stop=lambda: monotonic() > until)


def nudge(saga: SagaExecution) -> None:
    """Tell a worker over the broker, if there is one, once this commits. A sweep would find the saga anyway."""
    if settings.CELERY_BROKER_URL:
        transaction.on_commit(lambda: _send_nudge(saga), robust=True)


def _send_nudge(saga: SagaExecution) -> None:
    try:
        current_app.send_task("payments.tasks.advance", [str(saga.pk)], ignore_result=True)
    except (OSError, OperationalError) as error:
        log.warning("nudge_not_sent", saga=saga.public_id, error=type(error).__name__)
