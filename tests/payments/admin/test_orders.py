import pytest

from orders.models import Order
from payments.models import ChargeAttempt
from tests.office import Office
from tests.orders.builders import make_order
from tests.payments.builders import Api, charge_of, run_checkout
from tests.payments.interventions.builders import ask_for, failed_refund
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def test_an_order_tells_of_its_charges_sagas_and_decisions(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(postal_code="99999"))
    order = Order.objects.get(pk=saga.order_id)

    html = office.page("orders_order_change", order.public_id)

    assert "payment failed" in html
    for shown in (saga, charge_of(saga), *order.decisions.all()):
        assert f"/{shown.public_id}/change/" in html
    assert "The carrier does not deliver to this postal code." in html


def test_a_review_is_on_the_page_of_its_order(office: Office, sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(), "tok_avs_partial")

    html = office.page("orders_order_change", saga.order.public_id)

    assert f"/{saga.order.reviews.get().public_id}/change/" in html


@pytest.mark.parametrize("term", ["{charge}", "{charge.saga}", "{decision}"])
def test_an_order_is_found_by_anything_about_it(office: Office, sandbox: Sandbox, term: str) -> None:
    charge, other = charge_of(run_checkout()), charge_of(run_checkout())
    decision = charge.order.decisions.first()

    html = office.page("orders_order_changelist", q=term.format(charge=charge, decision=decision))

    assert charge.order.public_id in html
    assert other.order.public_id not in html


@pytest.mark.parametrize("term", ["{charge.card_last4}", "{charge.gateway_reference}"])
def test_an_order_is_found_by_its_card_and_by_the_gateways_reference(
    office: Office, sandbox: Sandbox, term: str
) -> None:
    charge, other = charge_of(run_checkout()), charge_of(run_checkout(None, "tok_mastercard"))

    html = office.page("orders_order_changelist", q=term.format(charge=charge))

    assert charge.order.public_id in html
    assert other.order.public_id not in html


def test_an_order_tried_twice_with_one_card_is_found_once(office: Office, sandbox: Sandbox) -> None:
    order = make_order()
    for _ in range(2):
        charge = charge_of(run_checkout(Order.objects.get(pk=order.pk), "tok_declined"))
    ChargeAttempt.objects.update(card_last4="0002")

    html = office.page("orders_order_changelist", q="0002")

    assert charge.order_id == order.pk
    assert html.count(f"/{order.public_id}/change/") == 1


def test_an_order_is_found_by_the_id_of_the_request_that_paid_for_it(office: Office, sandbox: Sandbox) -> None:
    api = Api()
    order, other = api.order(), api.order()
    answer = api.checkout(order, prefer="respond-async")
    api.checkout(other, prefer="respond-async")

    html = office.page("orders_order_changelist", q=answer.headers["X-Request-ID"])

    assert order.public_id in html
    assert other.public_id not in html


def test_a_search_finds_no_other_clients_orders(sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout())

    assert charge.order.public_id not in Office("orders.view_order").page(
        "orders_order_changelist", q=charge.gateway_reference
    )


def test_an_order_that_was_tried_often_takes_no_more_queries(office: Office, sandbox: Sandbox) -> None:
    once, often = make_order(), make_order()
    run_checkout(once, "tok_declined")
    for _ in range(3):
        run_checkout(Order.objects.get(pk=often.pk), "tok_declined")
    office.page("orders_order_change", once.pk)

    assert often.charges.count() == 3
    assert office.queries("orders_order_change", once.pk) == office.queries("orders_order_change", often.pk)


def test_an_order_whose_saga_awaits_a_second_person_says_who_asked_for_what(office: Office, sandbox: Sandbox) -> None:
    saga = failed_refund()
    assert "awaits a second person" not in office.page("orders_order_change", saga.order_id)
    row = ask_for(saga, "mark_compensated", evidence="bank-1")
    finance = Office(groups=("Finance",))

    html, to_others = (each.page("orders_order_change", saga.order_id) for each in (office, finance))

    told = f"{row.requested_by} asks for “Mark as compensated”: that awaits a second person."
    assert (told in html, told in to_others) == (True, False)
    assert "This order needs a person." in to_others
