"""Two operators' day: find what could not be undone, say that it was undone elsewhere, agree, and see it end."""

import pytest

from orders.models import StockItem
from payments.models import SagaExecution
from tests.browser.axe import grave_faults
from tests.browser.desk import Desk
from tests.orders.builders import make_order, make_stock
from tests.payments.builders import order_of, run_checkout
from tests.sandbox import Sandbox

IN_STOCK = 5


@pytest.fixture
def item(db: None) -> StockItem:
    return make_stock(available=IN_STOCK)


@pytest.fixture
def failed(sandbox: Sandbox, item: StockItem) -> SagaExecution:
    """Captured; the parcel was refused, and so was the refund."""
    saga = run_checkout(make_order(item=item, reference="shop-4711", postal_code="99999"), "tok_refund_fails")
    assert saga.state == "failed_compensation"
    return saga


def open_the_saga(desk: Desk, saga: SagaExecution) -> None:
    desk.open(f"/admin/payments/sagaexecution/{saga.public_id}/change/")


def assert_accessible(desk: Desk) -> None:
    assert desk.faults() == []
    assert grave_faults(desk.browser) == []
    desk.faults()  # axe-core tries out styles in the page, and the policy stops it


@pytest.mark.usefixtures("at_work")
def test_a_refund_made_at_the_bank_is_marked_approved_and_the_rest_undone(
    desk: Desk, failed: SagaExecution, item: StockItem
) -> None:
    desk.sit_down("Operator")
    desk.open()
    desk.follow("Sagas: failed compensation")
    desk.follow(failed.public_id)
    desk.assert_sees("It could not be undone: a person has to.", "What can be done now")
    desk.click("Mark as compensated")
    desk.assert_sees("The money counts as given back.", "A second person has to approve it.", "25.00 USD")
    assert_accessible(desk)
    desk.fill("Evidence", "bank transfer 2026-11-24/17")
    desk.fill("Reason", "The card's issuer refuses; paid back by transfer.")
    desk.click("Ask for approval")
    desk.assert_sees("Awaits approval: Mark as compensated", "You asked for it, so somebody else has to approve it.")
    assert not desk.can_click("Approve or refuse")

    desk.sit_down("Operator")
    open_the_saga(desk, failed)
    assert_accessible(desk)
    desk.click("Approve or refuse")
    desk.assert_sees("bank transfer 2026-11-24/17", "paid back by transfer")
    assert_accessible(desk)
    desk.fill("Note", "Saw it on the statement.")
    desk.click("Approve")

    desk.assert_sees("Approved: it goes on now. Reload this page to see how it ends.")
    desk.wait_for("A person has resolved it.")
    desk.assert_sees("Saw it on the statement.", "bank transfer 2026-11-24/17")
    desk.open(f"/admin/orders/order/{order_of(failed).public_id}/change/")
    desk.assert_sees("payment failed")
    item.refresh_from_db()
    assert (item.available, order_of(failed).paid_minor) == (IN_STOCK, 0)


@pytest.mark.usefixtures("at_work")
def test_what_is_ticked_in_the_list_is_tried_again_together(desk: Desk, failed: SagaExecution) -> None:
    desk.sit_down("Operator")
    desk.open("/admin/payments/sagaexecution/?queue=failed")
    assert_accessible(desk)
    desk.tick(f"Select this object for an action - {failed.public_id}")
    desk.fill("Action", "Try again")
    desk.click("Go")
    desk.assert_sees("The sagas you have ticked", failed.public_id, "spread over 10 seconds")
    assert_accessible(desk)

    desk.fill("Reason", "The gateway is back.")
    desk.click("Try again")

    desk.assert_sees("Try again: 1 of 1 goes on now.")
    open_the_saga(desk, failed)
    desk.assert_sees("Was told to try “refund payment” again: The gateway is back.")
    desk.wait_for("Could not undo everything, and stopped for a person")


def test_an_auditor_reads_what_was_asked_for_and_has_no_button(desk: Desk, failed: SagaExecution) -> None:
    desk.sit_down("Auditor")
    open_the_saga(desk, failed)

    desk.assert_sees("It could not be undone: a person has to.")
    assert not any(map(desk.can_click, ("Try again", "Mark as compensated", "Pause", "Approve or refuse")))
