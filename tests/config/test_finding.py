from typing import Any

import pytest

from payments.models import ChargeAttempt, SagaExecution
from tests.office import Office
from tests.orders.builders import make_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Office:
    return Office(groups=("Operator",))


def led_to(office: Office, term: str) -> str:
    """The address to which the box at the top of a page leads."""
    answer: Any = office.get("find", q=term)
    assert answer.status_code == 302
    return str(answer["Location"])


def make_charge(**fields: Any) -> ChargeAttempt:
    order = make_order()
    saga = SagaExecution.objects.create(definition="checkout", version=1, business_key=str(order.pk), order=order)
    row = {"gateway": "sandbox", "currency": "USD", "amount_minor": order.amount_minor, **fields}
    return ChargeAttempt.objects.create(order=order, saga=saga, **row)


def test_an_id_leads_to_its_own_page(operator: Office) -> None:
    charge = make_charge()

    for row in (charge, charge.saga, charge.order):
        assert led_to(operator, f" {row.public_id} ").endswith(f"/{row.public_id}/change/")


def test_what_finds_one_order_leads_to_it(operator: Office) -> None:
    charge = make_charge(card_last4="4242", gateway_reference="sbx_1")
    order = make_order(reference="shop-4711", customer_email="ada@example.com")

    for term in ("shop-4711", "ada@example.com", order.customer_id):
        assert led_to(operator, term) == f"/admin/orders/order/{order.public_id}/change/"
    for term in ("4242", "sbx_1"):
        assert led_to(operator, term) == f"/admin/orders/order/{charge.order.public_id}/change/"


def test_what_finds_several_or_none_leads_to_the_list(operator: Office) -> None:
    make_order(customer_email="ada+1@example.com")
    make_order(customer_email="ada+1@example.com")

    assert led_to(operator, "ada+1@example.com") == "/admin/orders/order/?q=ada%2B1%40example.com"
    assert led_to(operator, "nobody") == "/admin/orders/order/?q=nobody"
    assert led_to(operator, "") == "/admin/orders/order/?q="
    assert led_to(operator, "ord_01h455vb4pex5vsknk084sn02q").startswith("/admin/orders/order/?q=")


def test_nobody_is_led_to_what_they_may_not_see() -> None:
    charge = make_charge()
    finance, stranger = Office(groups=("Finance",)), Office("payments.view_sagaexecution")

    assert charge.saga.public_id not in led_to(finance, charge.saga.public_id).partition("?")[0]
    assert led_to(stranger, charge.saga.public_id) == "/admin/"
    assert led_to(stranger, charge.order.reference or "4242") == "/admin/"


def test_the_box_is_there_for_who_may_see_orders_alone(operator: Office) -> None:
    assert 'role="search"' in operator.page("index")
    assert 'role="search"' not in Office("payments.view_sagaexecution").page("index")
