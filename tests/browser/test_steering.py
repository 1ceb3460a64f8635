"""From the dashboard to what an operator does about it."""

from payments.models import Refund
from tests.browser.desk import Desk
from tests.orders.builders import make_order
from tests.payments.builders import charge_of, order_of, run_checkout
from tests.sandbox import Sandbox


def test_a_saga_in_trouble_is_two_clicks_from_the_dashboard(desk: Desk, sandbox: Sandbox) -> None:
    stuck = run_checkout(make_order(postal_code="99999"), "tok_refund_fails")
    run_checkout()
    desk.sit_down("Operator")
    desk.open()

    desk.follow("Sagas: failed compensation 1")
    desk.click(stuck.public_id)

    desk.assert_sees("It could not be undone: a person has to.", "The carrier does not deliver to this postal code.")


def test_a_review_that_waits_is_two_clicks_from_the_dashboard(desk: Desk, sandbox: Sandbox) -> None:
    saga = run_checkout(payment_method="tok_avs_partial")
    desk.sit_down("Fraud analyst")
    desk.open()

    desk.follow("Reviews unclaimed 1")
    desk.click("Claim next")

    desk.assert_sees("You have this review.", order_of(saga).customer_email)


def test_part_of_an_order_found_by_the_cards_last_four_is_refunded(desk: Desk, sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(reference="shop-4711"))
    desk.sit_down("Operator")
    desk.open()

    desk.find("4242")
    desk.click("Refund")
    desk.fill("Amount in USD", "10.00")
    desk.fill("Why", "One of two was broken.")
    desk.click("Refund")

    desk.assert_sees("10.00 USD went back.", "shop-4711", "One of two was broken.")
    assert (charge_of(saga).refunded_minor, Refund.objects.get().status) == (10_00, "succeeded")
    assert [entry["amount"] for entry in sandbox.effective("refund") if entry["order"] == order_of(saga).public_id] == [
        10_00
    ]


def test_a_checkout_that_waits_is_cancelled_with_three_clicks_from_the_dashboard(desk: Desk, sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(reference="shop-4711"), "tok_avs_partial")
    desk.sit_down("Operator")
    desk.open()

    desk.find("shop-4711")
    desk.click("Cancel order")
    desk.fill("Why", "The customer called.")
    desk.click("Cancel order")

    desk.assert_sees("The order is cancelled.", "The customer called.")
    assert (order_of(saga).status, charge_of(saga).status) == ("cancelled", "voided")


def test_an_order_that_stands_still_says_why_and_leads_to_its_saga(desk: Desk, sandbox: Sandbox) -> None:
    stuck = run_checkout(make_order(reference="shop-4711", postal_code="99999"), "tok_refund_fails")
    desk.sit_down("Operator")
    desk.open()

    desk.find("shop-4711")

    desk.assert_sees("This order needs a person.", "It could not be undone: a person has to.")
    desk.click(stuck.public_id)
    desk.assert_sees("Could not refund")


def test_finance_sees_an_order_and_has_no_button_to_give_its_money_back(desk: Desk, sandbox: Sandbox) -> None:
    order = order_of(run_checkout())
    desk.sit_down("Finance")

    desk.open(f"/admin/orders/order/{order.public_id}/change/")

    assert not any(map(desk.can_click, ("Refund", "Cancel order")))
    assert desk.status(f"/admin/orders/order/{order.public_id}/refund/") == 403
