"""How people find out what happened to a payment."""

from orders.models import Order
from tests.browser.desk import Desk
from tests.orders.builders import make_order
from tests.payments.builders import order_of, run_checkout
from tests.sandbox import Sandbox


def search_for(order: Order, desk: Desk, term: str) -> None:
    """Search the orders, of which there is another, and open the only one that is found."""
    make_order(reference="somebody-elses", customer_email="somebody.else@example.com")
    desk.sit_down("Operator")
    desk.open_list("Orders")
    desk.search(term)
    desk.assert_sees_no_more("somebody-elses")
    desk.click(order.public_id)
    desk.assert_sees(order.reference, order.customer_email)


def test_an_order_is_found_by_its_reference(desk: Desk) -> None:
    order = make_order(reference="shop-4711", customer_email="ada@example.com")

    search_for(order, desk, "shop-4711")


def test_an_order_is_found_by_its_customers_e_mail(desk: Desk) -> None:
    order = make_order(reference="shop-4711", customer_email="ada@example.com")

    search_for(order, desk, "ada@example.com")


def test_from_an_order_its_saga_and_each_call_can_be_read(desk: Desk, sandbox: Sandbox) -> None:
    saga = run_checkout()
    desk.sit_down("Operator")
    desk.open(f"/admin/orders/order/{order_of(saga).public_id}/change/")

    desk.click(saga.public_id)

    desk.assert_sees("Captured 25.00 USD at sandbox", "Completed the order")
    assert not desk.sees('"idempotency_key"', '"payment_method": "tok_visa"')
    desk.follow("Call 1: capture")
    desk.assert_sees("Request", "Answer", "/capture", '"amount": 2500')


def test_a_compensation_that_failed_is_in_the_list_of_its_state_and_says_what_to_know(
    desk: Desk, sandbox: Sandbox
) -> None:
    fine = run_checkout()
    stuck = run_checkout(make_order(postal_code="99999"), "tok_refund_fails")
    assert stuck.state == "failed_compensation"
    desk.sit_down("Operator")
    desk.open("/admin/payments/sagaexecution/")
    desk.assert_sees(fine.public_id, stuck.public_id)

    desk.click("Failed Compensation")

    desk.assert_sees_no_more(fine.public_id)
    desk.click(stuck.public_id)
    desk.assert_sees("It could not be undone: a person has to.", "The carrier does not deliver to this postal code.")


def test_finance_sees_the_money_and_neither_sagas_nor_rules(desk: Desk, sandbox: Sandbox) -> None:
    saga = run_checkout()
    desk.sit_down("Finance")
    desk.open()
    assert desk.can_click("Orders")
    assert desk.can_click("Ledger postings")
    assert not any(map(desk.can_click, ("Saga executions", "Review cases", "Idempotency keys")))

    desk.open_list("Orders")
    desk.click(order_of(saga).public_id)

    assert not desk.sees(saga.public_id)
    assert desk.status(f"/admin/payments/sagaexecution/{saga.public_id}/change/") == 403
    assert desk.status("/admin/fraud/reviewcase/") == 403
