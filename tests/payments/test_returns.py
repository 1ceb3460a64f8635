"""Refunds that had succeeded and came back: whose money it is then, and who hears of it."""

import pytest
from pytest_django import Settings

from payments.alerts import watchers
from payments.models import ChargeAttempt, ClientEvent, Refund
from tests.orders.builders import make_client, make_order
from tests.payments.builders import Api, charge_of, order_of, run_checkout
from tests.payments.webhooks.deliveries import act_on_all, charge_at_the_sandbox, deliver, event
from tests.processes import wait_until
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def secrets(sandbox: Sandbox, settings: Settings) -> None:
    settings.SANDBOX_WEBHOOK_SECRETS = ["whsec_sandbox"]


@pytest.fixture(autouse=True)
def refunds_come_back(sandbox: Sandbox) -> None:
    sandbox.fault("fail_refund_later", operation="refund", times=1, seconds=0.01)


def come_back(sandbox: Sandbox, charge: ChargeAttempt) -> None:
    """The event about it; the sandbox itself has the money again by then."""
    wait_until(lambda: charge_at_the_sandbox(sandbox, charge.saga)["amount_refunded"] == 0)
    facts = charge_at_the_sandbox(sandbox, charge.saga)
    refund = next(each for each in facts["operations"] if each["operation"] == "refund")
    assert deliver(event("refund.failed", facts, refund)).status_code == 200
    act_on_all()
    charge.refresh_from_db()


def test_money_that_came_back_pays_for_the_order_it_was_carried_out_for(sandbox: Sandbox) -> None:
    api = Api(make_client())
    saga = run_checkout(make_order(api.user))
    charge = charge_of(saga)
    api.post(f"charges/{charge.public_id}/refunds", {"reason": "Came back."})
    assert order_of(saga).paid_minor == 0

    come_back(sandbox, charge)

    assert (charge.refunded_minor, charge.is_surplus, order_of(saga).paid_minor) == (0, False, 25_00)
    refund = Refund.objects.get()
    assert refund.status == "failed"
    told = ClientEvent.objects.filter(subject=refund.public_id).order_by("sequence")
    assert [event.kind for event in told] == ["refund.succeeded", "refund.failed"]


def test_money_of_an_undone_checkout_is_surplus_and_the_order_can_be_paid_all_the_same(sandbox: Sandbox) -> None:
    order = make_order(postal_code="99999")
    charge = charge_of(run_checkout(order))
    come_back(sandbox, charge)
    assert (charge.refunded_minor, charge.is_surplus) == (0, True)
    order.refresh_from_db()
    assert (order.status, order.paid_minor) == ("payment_failed", 0)

    order.shipping = {**order.shipping, "postal_code": "10001"}
    order.save(update_fields=["shipping"])
    again = run_checkout(order)

    assert (order_of(again).status, order_of(again).paid_minor) == ("completed", 25_00)


def test_surplus_money_is_given_back_without_taking_from_what_the_order_is_paid_with(sandbox: Sandbox) -> None:
    api = Api(make_client())
    order = make_order(api.user, postal_code="99999")
    charge = charge_of(run_checkout(order))
    come_back(sandbox, charge)

    answer = api.post(f"charges/{charge.public_id}/refunds", {"reason": "Once more."})

    assert answer.status_code == 201
    order.refresh_from_db()
    charge.refresh_from_db()
    assert (charge.refunded_minor, order.paid_minor) == (25_00, 0)


def test_a_person_hears_of_it_until_the_customer_has_the_money(sandbox: Sandbox) -> None:
    api = Api(make_client())
    charge = charge_of(run_checkout(make_order(api.user)))
    api.post(f"charges/{charge.public_id}/refunds", {"reason": "Came back."})
    come_back(sandbox, charge)

    (finding,) = watchers.returned_refunds()
    assert finding.subject == Refund.objects.get().public_id
    api.post(f"charges/{charge.public_id}/refunds", {"reason": "Once more."})

    assert not list(watchers.returned_refunds())


def test_a_refund_comes_back_once_however_often_it_is_told(sandbox: Sandbox) -> None:
    api = Api(make_client())
    charge = charge_of(run_checkout(make_order(api.user)))
    api.post(f"charges/{charge.public_id}/refunds", {"amount": 5_00, "reason": "Came back."})

    for _ in range(3):
        come_back(sandbox, charge)

    assert charge.refunded_minor == 0
    assert charge.postings.filter(kind="reversal").count() == 1
