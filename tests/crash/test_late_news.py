"""What the gateway says when everything seemed to be over."""

import json
from datetime import timedelta

from django.db.models.functions import Now

from orders.models import Order
from payments.models import LedgerPosting, SagaExecution, WebhookEvent
from tests.crash.matrix import row
from tests.crash.processes import Point
from tests.crash.shop import Purchase, Shop
from tests.crash.ways import FORWARD, Cancel
from tests.payments.builders import advance, begin_checkout, exchange
from tests.sandbox import Sandbox

LONG_AGO = timedelta(hours=1)
BEFORE_CAPTURING = Point("POST /v1/charges/…/capture", "before", signal="SIGSTOP")


def give_up_although_done(shop: Shop, operation: str, *, exchanges: int) -> Purchase:
    """The gateway does it and says nothing, denies it when it is asked, and asks for patience ever after."""
    purchase = Purchase(shop, FORWARD)
    shop.sandbox.fault("drop_after", operation=operation, times=1)
    shop.sandbox.fault("lagging_look_up", seconds=600)
    saga = exchange(begin_checkout(purchase.order), times=exchanges)
    shop.sandbox.fault("status_429", operation=operation)
    while saga.state in SagaExecution.ACTIVE:
        saga = advance(saga)
    shop.sandbox.clear_faults()
    return purchase


def hear_of(purchase: Purchase, kind: str) -> WebhookEvent:
    """The webhook comes after all, and is taken in."""
    sandbox = purchase.shop.sandbox
    reference = next(e["charge"] for e in sandbox.journal() if e["order"] == purchase.order.public_id and e["charge"])
    charge = sandbox.get(f"/v1/charges/{reference}").json()["charge"]
    data = {"charge": charge, "operation": charge["operations"][-1]}
    body = json.dumps({"id": "evt-late", "type": kind, "data": data})
    event = WebhookEvent.objects.create(gateway="sandbox", event_id="evt-late", kind=kind, body=body)
    return take_in(purchase, event)


def take_in(purchase: Purchase, event: WebhookEvent) -> WebhookEvent:
    """Tests move rows, not clocks."""
    WebhookEvent.objects.filter(pk=event.pk).update(next_attempt_at=Now() - LONG_AGO)
    purchase.shop.processes.take_in()
    event.refresh_from_db()
    return event


@row(
    "an authorization succeeds, look-ups deny it, and its webhook comes after the compensation",
    holds="a remedy voids it",
)
def test_an_authorization_told_after_the_end_is_voided(shop: Shop, gateway: Sandbox) -> None:
    purchase = give_up_although_done(shop, "authorize", exchanges=1)
    assert (purchase.checkout.state, purchase.checkout.failure["code"]) == ("compensated", "gateway_unavailable")

    status = hear_of(purchase, "charge.authorized").status
    purchase.finish()

    assert (status, shop.done(purchase.order)) == ("processed", {"authorize": 1, "void": 1})
    shop.assert_all_is_well()


@row(
    "a capture succeeds, look-ups deny it, and its webhook comes after the compensation has failed",
    holds="a person has it, and the books have the money",
)
def test_a_capture_told_after_the_end_is_booked(shop: Shop, gateway: Sandbox) -> None:
    purchase = give_up_although_done(shop, "capture", exchanges=2)
    assert purchase.checkout.state == "failed_compensation"

    status = hear_of(purchase, "charge.captured").status

    order = Order.objects.get(pk=purchase.order.pk)
    assert (status, order.status, order.is_paid) == ("processed", "needs_attention", True)
    assert LedgerPosting.objects.filter(charge__order=order).count() == 1
    shop.assert_all_is_well()


@row(
    "SIGSTOP before the capture is sent; the order is cancelled, SIGCONT: it is captured, its webhook comes first",
    holds="the webhook is kept until nothing contradicts it: a person has it, and the books have the money",
)
def test_a_capture_told_while_the_saga_is_undoing_is_booked_in_the_end(shop: Shop, gateway: Sandbox) -> None:
    purchase = Purchase(shop, FORWARD)
    stopped = purchase.stand_still(BEFORE_CAPTURING)
    Cancel().perform(purchase)
    shop.sandbox.fault("status_429", operation="void")
    purchase.finish()
    assert (purchase.checkout.state, purchase.checkout.direction) == ("waiting", "compensating")

    purchase.go_on(stopped)
    event = hear_of(purchase, "charge.captured")
    assert (event.status, LedgerPosting.objects.filter(charge__order=purchase.order).count()) == ("received", 0)

    shop.sandbox.clear_faults()
    purchase.finish()
    assert purchase.checkout.state == "failed_compensation"
    event = take_in(purchase, event)

    order = Order.objects.get(pk=purchase.order.pk)
    assert (event.status, order.status, order.is_paid) == ("processed", "needs_attention", True)
    assert LedgerPosting.objects.filter(charge__order=order).count() == 1
    shop.assert_all_is_well()
