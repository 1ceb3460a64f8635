"""What the gateway says when everything seemed to be over."""

import json

from orders.models import Order
from payments.models import LedgerPosting, SagaExecution, WebhookEvent
from tests.crash.matrix import row
from tests.crash.shop import Purchase, Shop
from tests.crash.ways import FORWARD
from tests.payments.builders import advance, begin_checkout, exchange
from tests.sandbox import Sandbox


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


def hear_of(purchase: Purchase, kind: str) -> str:
    """The webhook comes after all."""
    sandbox = purchase.shop.sandbox
    reference = next(e["charge"] for e in sandbox.journal() if e["order"] == purchase.order.public_id and e["charge"])
    charge = sandbox.get(f"/v1/charges/{reference}").json()["charge"]
    data = {"charge": charge, "operation": charge["operations"][-1]}
    body = json.dumps({"id": "evt-late", "type": kind, "data": data})
    event = WebhookEvent.objects.create(gateway="sandbox", event_id="evt-late", kind=kind, body=body)
    purchase.shop.processes.take_in()
    purchase.finish()
    event.refresh_from_db()
    return str(event.status)


@row(
    "an authorization succeeds, look-ups deny it, and its webhook comes after the compensation",
    holds="a remedy voids it",
)
def test_an_authorization_told_after_the_end_is_voided(shop: Shop, gateway: Sandbox) -> None:
    purchase = give_up_although_done(shop, "authorize", exchanges=1)
    assert (purchase.checkout.state, purchase.checkout.failure["code"]) == ("compensated", "gateway_unavailable")

    status = hear_of(purchase, "charge.authorized")

    assert (status, shop.done(purchase.order)) == ("processed", {"authorize": 1, "void": 1})
    shop.assert_all_is_well()


@row(
    "a capture succeeds, look-ups deny it, and its webhook comes after the compensation has failed",
    holds="a person has it, and the books have the money",
)
def test_a_capture_told_after_the_end_is_booked(shop: Shop, gateway: Sandbox) -> None:
    purchase = give_up_although_done(shop, "capture", exchanges=2)
    assert purchase.checkout.state == "failed_compensation"

    status = hear_of(purchase, "charge.captured")

    order = Order.objects.get(pk=purchase.order.pk)
    assert (status, order.status, order.is_paid) == ("processed", "needs_attention", True)
    assert LedgerPosting.objects.filter(charge__order=order).count() == 1
    shop.assert_all_is_well()
