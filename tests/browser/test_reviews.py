"""An analyst's day: claim what waits, decide, and see what became of the money."""

import pytest

from fraud.models import ReviewCase
from payments.models import SagaExecution
from tests.browser.desk import Desk
from tests.orders.builders import make_order
from tests.payments.builders import charge_of, order_of, run_checkout
from tests.sandbox import Sandbox


@pytest.fixture
def held(sandbox: Sandbox) -> SagaExecution:
    """Authorized, and waiting for a person."""
    saga = run_checkout(make_order(reference="shop-4711"), "tok_avs_partial")
    assert saga.waiting_for == "review"
    return saga


def claim_next(desk: Desk) -> None:
    desk.sit_down("Operator")
    desk.open_list("Review cases")
    desk.assert_sees("jo@example.com", "25.00 USD")
    desk.click("Claim next")
    desk.assert_sees("This review is yours now.", "You have this review.", "shop-4711")


def see_the_order(desk: Desk, saga: SagaExecution, status: str) -> None:
    desk.open(f"/admin/orders/order/{order_of(saga).public_id}/change/")
    desk.wait_for(status)


def test_a_review_is_decided_with_three_clicks_from_the_dashboard_and_the_page_says_what_came_of_it(
    desk: Desk, held: SagaExecution
) -> None:
    desk.sit_down("Fraud analyst")
    desk.open()

    desk.click("Claim next review")
    desk.fill("Reason", "Spoke to the customer.")
    desk.click("Approve and capture 25.00 USD")

    desk.assert_sees("Approved. 25.00 USD is captured.")
    assert (order_of(held).status, charge_of(held).status) == ("completed", "captured")


@pytest.mark.usefixtures("at_work")
def test_what_is_approved_with_a_reason_is_captured(desk: Desk, held: SagaExecution) -> None:
    claim_next(desk)

    desk.fill("Reason", "Spoke to the customer.")
    desk.click("Approve and capture 25.00 USD")

    desk.assert_sees("Approved. ", "Spoke to the customer.")
    see_the_order(desk, held, "completed")
    assert charge_of(held).status == "captured"
    desk.assert_sees("captured")


@pytest.mark.usefixtures("at_work")
def test_what_is_rejected_is_voided_and_nothing_is_captured(desk: Desk, held: SagaExecution) -> None:
    claim_next(desk)

    desk.fill("Reason", "The card was reported stolen.")
    desk.click("Reject and void")

    desk.assert_sees("Rejected. ", "The card was reported stolen.")
    see_the_order(desk, held, "payment failed")
    desk.assert_sees("voided")
    assert charge_of(held).captured_minor == 0


def test_a_verdict_without_a_reason_is_not_sent(desk: Desk, held: SagaExecution) -> None:
    claim_next(desk)

    desk.click("Approve and capture 25.00 USD")

    desk.assert_sees("You have this review.")
    assert ReviewCase.objects.get().state == "claimed"


def test_an_auditor_reads_a_review_and_has_no_button_to_decide(desk: Desk, held: SagaExecution) -> None:
    desk.sit_down("Auditor")
    desk.open(f"/admin/fraud/reviewcase/{ReviewCase.objects.get().public_id}/change/")

    desk.assert_sees("At stake", "25.00 USD")
    assert not any(map(desk.can_click, ("Claim", "Escalate", "Assign", "Reject and void")))
