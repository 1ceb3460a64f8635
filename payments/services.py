"""The use cases of moving money. Each is one public function."""

from dataclasses import dataclass, replace
from time import monotonic
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db.models.functions import Now

from orders import services as orders
from orders.errors import OrderNotCancellable
from orders.models import Order
from payments import disputes, routing
from payments.errors import CheckoutOpenError, IdempotencyInFlightError, RefundExceedsCapturedError
from payments.gateways import registry as gateways
from payments.models import ChargeAttempt, IdempotencyKey, SagaExecution
from payments.sagas import engine, leases, registry
from payments.sagas.checkout import CHECKOUT
from payments.sagas.refund import REFUND, open_refund
from payments.sagas.run import Run

INLINE = "request:"
"""What the owner of a lease begins with while a client waits for its answer."""


@dataclass(frozen=True, slots=True)
class Payment:
    """How the customer wants to pay. `payment_method` is the gateway's token for a card, never its number."""

    payment_method: str
    gateway: str = ""
    customer_ip: str = ""
    device_fingerprint: str = ""
    return_url: str = ""
    is_routed: bool = False


def routed(payment: Payment, order: Order) -> Payment:
    """The payment with a gateway, by the rules, where its client has named none."""
    if payment.gateway:
        return payment
    gateway = routing.choose(order.total, payment_method=payment.payment_method)
    return replace(payment, gateway=gateway, is_routed=True)


def require_payable_with(payment: Payment) -> None:
    """Raise UnknownGatewayError or InvalidRequestError for what can never be charged, before anything is begun."""
    gateways.gateway(payment.gateway).require_known(payment.payment_method)


def start_checkout(order: Order, payment: Payment, *, key: IdempotencyKey, is_inline: bool) -> Run:
    """Begin the checkout of a payable order, in the caller's transaction; raise OrderNotPayable.

    `is_inline`: this process takes the lease with the same insert, and carries the saga on itself.
    """
    number = orders.begin_checkout(order)
    saga = SagaExecution.objects.begin(
        definition=CHECKOUT.name,
        version=CHECKOUT.version,
        business_key=f"{order.public_id}:{number}",
        order=order,
        context={
            "checkout_number": number,
            "gateway": payment.gateway,
            "payment_method": payment.payment_method,
            "customer_ip": payment.customer_ip,
            "device_fingerprint": payment.device_fingerprint,
            "return_url": payment.return_url,
            "is_routed": payment.is_routed,
        },
        **_first_lease(key, is_inline=is_inline),
    )
    run = Run(saga, CHECKOUT, database_now=saga.created_at, is_new=True)
    run.order = order
    run.charge = None
    return run


def _first_lease(key: IdempotencyKey, *, is_inline: bool) -> dict[str, Any]:
    """Whose request this is, and who works on it first: this process, or whichever worker finds it."""
    if not is_inline:
        return {"idempotency_key": key}
    owner = {"state": SagaExecution.State.RUNNING, "lease_owner": f"{INLINE}{uuid4()}", "epoch": 1}
    return {"idempotency_key": key, **owner, **leases.until()}


def start_refund(
    charge: ChargeAttempt, *, amount_minor: int | None, reason: str, key: IdempotencyKey, is_inline: bool
) -> Run:
    """Begin to give back `amount_minor`, or all that is left, in the caller's transaction.

    Raise CheckoutOpenError while a checkout may still undo itself, RefundExceedsCapturedError for more than is left,
    ChargeDisputedError where the customer's bank may have taken it already.
    """
    order = Order.objects.select_for_update().get(pk=charge.order_id)
    if order.status in (*Order.IN_CHECKOUT, Order.Status.NEEDS_ATTENTION):
        raise CheckoutOpenError
    charge.refresh_from_db()
    amount = charge.refundable_minor if amount_minor is None else amount_minor
    if amount <= 0:
        raise RefundExceedsCapturedError(charge=charge.public_id)
    disputes.require_undisputed(charge, amount_minor=amount)
    saga = open_refund(
        charge,
        amount_minor=amount,
        cause=f"{charge.public_id}:{uuid4()}",
        reason=reason,
        **_first_lease(key, is_inline=is_inline),
    )
    return Run(saga, REFUND, database_now=saga.created_at, is_new=True)


def cancel_order(order: Order) -> None:
    """Cancel an order that is not paid; ask its checkout to stop where one is under way.

    Runs in the caller's transaction. A checkout honours the request where that is still safe, and completes the order
    otherwise. Raise OrderNotCancellable when there is nothing to cancel any more.
    """
    checkouts = SagaExecution.objects.filter(order=order, definition=CHECKOUT.name, state__in=SagaExecution.ACTIVE)
    saga = checkouts.select_for_update().first()
    fresh = Order.objects.select_for_update().get(pk=order.pk)
    order.status, order.cancel_requested_at = fresh.status, fresh.cancel_requested_at
    if saga is not None and order.status in Order.IN_CHECKOUT:
        Order.objects.filter(pk=order.pk, cancel_requested_at=None).update(cancel_requested_at=Now(), updated_at=Now())
        saga.wake()
        order.refresh_from_db(fields=["cancel_requested_at"])
    elif order.status in Order.PAYABLE:
        order.move(Order.Status.CANCELLED)
    elif order.status != Order.Status.CANCELLED:
        raise OrderNotCancellable(f"The order is {order.status}.", order=order.public_id)


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


def carry_on_order(order: Order) -> None:
    """Carry on whatever of this order is due and in nobody's hands, while a person waits for the page."""
    until = monotonic() + settings.CHECKOUT_WAIT_SECONDS
    for saga_id in SagaExecution.objects.due(registry.versions()).filter(order=order).values_list("pk", flat=True):
        engine.advance(saga_id, owner=f"{INLINE}{uuid4()}", should_stop=lambda: monotonic() > until)
