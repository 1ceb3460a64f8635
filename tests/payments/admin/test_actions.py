import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models.functions import Now

from orders.models import Order
from payments.models import ChargeAttempt, Refund, SagaExecution
from tests.office import Office
from tests.orders.builders import make_order
from tests.payments.builders import WORKER, charge_of, order_of, run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def operator(sandbox: Sandbox) -> Office:
    return Office(groups=("Operator",))


@pytest.fixture
def charge(sandbox: Sandbox) -> ChargeAttempt:
    """25.00 captured."""
    return charge_of(run_checkout(make_order(quantity=2, unit_amount_minor=12_50)))


def offered(html: str, order: Order) -> list[str]:
    return [what for what in ("refund", "cancel") if f"/{order.public_id}/{what}/" in html]


def act(office: Office, what: str, order: Order, **form: Any) -> Any:
    """Fill in the form that the page shows, and send it."""
    page = office.page(f"orders_order_{what}", order.public_id)
    once = re.search(r'name="once" value="(\w+)"', page)
    assert once
    return office.post(
        f"orders_order_{what}", order.public_id, **{"once": once[1], "reason": "Asked by phone.", **form}
    )


def test_part_of_an_order_goes_back(operator: Office, charge: ChargeAttempt) -> None:
    answer = act(operator, "refund", charge.order, amount="10.00")

    assert "10.00 USD went back." in answer.content.decode()
    charge.refresh_from_db()
    assert (charge.refunded_minor, charge.refund_pending_minor) == (10_00, 0)
    entry = LogEntry.objects.get()
    assert (entry.user, "10.00 USD" in entry.change_message, "Asked by phone." in entry.change_message) == (
        operator.user, True, True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "form", [{"amount": "25.01"}, {"amount": "0"}, {"amount": "1.005"}, {"amount": "x"}, {"reason": ""}]
)
def test_a_form_that_is_filled_in_wrongly_says_so_and_gives_nothing_back(
    operator: Office, charge: ChargeAttempt, form: dict[str, str]
) -> None:
    answer = act(operator, "refund", charge.order, **{"amount": "5.00", **form})

    assert (answer.status_code, "Nothing was done" in answer.content.decode()) == (400, True)
    assert not Refund.objects.exists()


def test_a_form_sent_twice_acts_once(operator: Office, charge: ChargeAttempt) -> None:
    for _ in range(2):
        answer = operator.post(
            "orders_order_refund", charge.order.public_id, once="the-same", reason="Asked by phone.", amount="5.00"
        )

    assert "This was sent twice; it is done once." in answer.content.decode()
    assert Refund.objects.count() == LogEntry.objects.count() == 1


def test_the_same_amount_a_moment_later_has_to_be_confirmed(operator: Office, charge: ChargeAttempt) -> None:
    act(operator, "refund", charge.order, amount="5.00")

    again = act(operator, "refund", charge.order, amount="5.00")
    assert (again.status_code, "a moment ago" in again.content.decode()) == (400, True)
    assert Refund.objects.count() == 1

    act(operator, "refund", charge.order, amount="5.00", again="on")
    act(operator, "refund", charge.order, amount="4.00")
    charge.refresh_from_db()
    assert charge.refunded_minor == 14_00


def test_a_refund_the_gateway_refuses_says_so(operator: Office, sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout(payment_method="tok_refund_fails"))

    answer = act(operator, "refund", charge.order, amount="1.00")

    assert "did not give 1.00 USD back" in answer.content.decode()


def test_an_order_that_waits_is_cancelled_while_the_person_looks_on(operator: Office, sandbox: Sandbox) -> None:
    saga = run_checkout(payment_method="tok_avs_partial")

    answer = act(operator, "cancel", saga.order)

    assert "The order is cancelled." in answer.content.decode()
    assert (order_of(saga).status, charge_of(saga).status) == ("cancelled", "voided")
    assert "Asked by phone." in LogEntry.objects.get().change_message


def test_a_checkout_in_somebody_elses_hands_is_asked_to_stop(operator: Office, sandbox: Sandbox) -> None:
    saga = run_checkout(payment_method="tok_avs_partial")
    SagaExecution.objects.filter(pk=saga.pk).update(lease_owner=WORKER, lease_until=Now() + timedelta(minutes=1))

    answer = act(operator, "cancel", saga.order)

    assert "asked to stop" in answer.content.decode()
    assert Order.objects.get().cancel_requested_at is not None
    assert SagaExecution.objects.get().wake_seq == saga.wake_seq + 1
    assert "Asked by phone." in LogEntry.objects.get().change_message


def test_what_is_not_possible_is_not_offered(operator: Office, charge: ChargeAttempt) -> None:
    done, fresh = operator.page("orders_order_change", charge.order.public_id), make_order()
    open_order = operator.page("orders_order_change", fresh.public_id)

    assert offered(done, charge.order) == ["refund"]
    assert offered(open_order, fresh) == ["cancel"]
    assert "nothing to give back" in operator.post("orders_order_refund", fresh.public_id).content.decode()


@pytest.mark.parametrize("group", ["Auditor", "Finance", "Fraud analyst"])
def test_who_may_not_is_not_offered_it_and_refused_all_the_same(charge: ChargeAttempt, group: str) -> None:
    office = Office(groups=(group,))

    assert offered(office.page("orders_order_change", charge.order.public_id), charge.order) == []
    for what in ("refund", "cancel"):
        assert office.get(f"orders_order_{what}", charge.order.public_id).status_code == 403
        assert office.post(f"orders_order_{what}", charge.order.public_id, reason="x", once="x").status_code == 403
    assert not Refund.objects.exists()
