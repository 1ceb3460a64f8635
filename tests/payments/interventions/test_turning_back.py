"""Compensate from here: whatever was done is undone, and nothing while a call is in doubt."""

import pytest
from django.db.models.functions import Now

from fraud.models import ReviewCase
from orders.models import Order, StockItem
from payments.errors import InterventionNotPossibleError
from payments.models import SagaExecution
from tests.orders.builders import make_order, make_stock
from tests.payments.builders import Api, advance, begin_checkout, charge_of, exchange, order_of, run_checkout, step_of
from tests.payments.interventions.builders import (
    ask_for,
    everything,
    failed_refund,
    possible,
    stopped_refund,
    stopped_unknown,
    unknown,
)
from tests.payments.sagas.evidence import assert_nothing_was_taken, effective, journal
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def test_a_review_that_nobody_decides_is_turned_back_and_its_case_closed(sandbox: Sandbox) -> None:
    item = make_stock(available=5)
    saga = run_checkout(make_order(item=item), "tok_avs_partial")

    ask_for(saga, "compensate")
    assert (saga.state, order_of(saga).status) == ("compensating", "processing")
    saga = advance(saga)

    assert_nothing_was_taken(sandbox, saga)
    assert (saga.failure["code"], effective(sandbox, saga)) == ("stopped_by_operator", ["authorize", "void"])
    assert (StockItem.objects.get(pk=item.pk).available, ReviewCase.objects.get().state) == (5, "closed")


def test_a_payment_that_waits_for_its_customer_is_made_impossible(sandbox: Sandbox) -> None:
    saga = run_checkout(payment_method="tok_3ds")

    ask_for(saga, "compensate")
    saga = advance(saga)

    assert (charge_of(saga).status, effective(sandbox, saga)) == ("voided", ["void"])
    assert_nothing_was_taken(sandbox, saga)


@pytest.mark.parametrize(
    ("operation", "exchanges", "happened"),
    [("authorize", 1, []), ("capture", 2, ["authorize", "void"]), ("ship", 3, ["authorize", "capture", "refund"])],
)
def test_what_certainly_did_not_happen_is_given_up(
    sandbox: Sandbox, operation: str, exchanges: int, happened: list[str]
) -> None:
    sandbox.fault("status_429", operation=operation, times=1)
    saga = exchange(begin_checkout(make_order()), times=exchanges)
    assert saga.waiting_for == "back_off"

    ask_for(saga, "compensate")
    saga = advance(saga)

    assert effective(sandbox, saga) == happened
    assert_nothing_was_taken(sandbox, saga)


@pytest.mark.parametrize("operation", ["authorize", "capture", "ship"])
def test_nothing_is_turned_back_while_a_call_is_in_doubt(sandbox: Sandbox, operation: str) -> None:
    for saga in (unknown(sandbox, operation), stopped_unknown(sandbox, operation)):
        before = everything(saga)

        with pytest.raises(InterventionNotPossibleError, match="resolved first"):
            ask_for(saga, "compensate")

        assert everything(saga) == before
        sandbox.clear_faults()


def test_an_authorization_of_another_amount_is_voided(sandbox: Sandbox) -> None:
    sandbox.fault("wrong_amount", operation="authorize", times=1)
    saga = run_checkout()
    assert (saga.state, charge_of(saga).status) == ("needs_attention", "pending")

    ask_for(saga, "compensate")
    saga = advance(saga)

    assert (charge_of(saga).status, effective(sandbox, saga)) == ("voided", ["authorize", "void"])
    assert_nothing_was_taken(sandbox, saga)
    assert run_checkout(order_of(saga)).state == "completed"


def test_a_paused_checkout_is_turned_back_and_goes_on_to_be_undone(sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order())
    ask_for(saga, "pause")

    ask_for(saga, "compensate")
    assert not saga.is_paused
    saga = advance(saga)

    assert journal(sandbox, saga) == []
    assert_nothing_was_taken(sandbox, saga)


def test_an_order_cancelled_meanwhile_ends_as_cancelled(sandbox: Sandbox) -> None:
    saga = run_checkout(payment_method="tok_avs_partial")
    Order.objects.filter(pk=saga.order_id).update(cancel_requested_at=Now())

    ask_for(saga, "compensate")

    assert_nothing_was_taken(sandbox, advance(saga), "cancelled")


def test_the_client_is_told_that_an_operator_has_ended_it(sandbox: Sandbox, api: Api) -> None:
    order = api.order()
    assert api.checkout(order, "tok_avs_partial", key="the-same").status_code == 202
    saga = SagaExecution.objects.get(order=order)

    ask_for(saga, "compensate", reason="The customer is a known fraudster.")
    advance(saga)

    answer = api.checkout(order, "tok_avs_partial", key="the-same")
    assert (answer.status_code, answer.json()["code"]) == (409, "stopped_by_operator")
    assert "fraudster" not in answer.content.decode()


def test_what_is_undone_already_or_has_nothing_to_undo_is_not_turned_back(sandbox: Sandbox) -> None:
    for saga in (failed_refund(), stopped_refund(sandbox)):
        assert "compensate" not in possible(saga)


def test_what_is_due_and_in_nobodys_hands_is_paused_first(sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order())

    with pytest.raises(InterventionNotPossibleError, match="pause it first"):
        ask_for(saga, "compensate")


def test_the_step_in_hand_says_that_it_was_given_up(sandbox: Sandbox) -> None:
    sandbox.fault("status_429", operation="capture", times=1)
    saga = exchange(begin_checkout(make_order()), times=2)

    ask_for(saga, "compensate")

    step = step_of(saga, "capture_payment")
    assert (step.state, step.error["code"]) == ("failed", "stopped_by_operator")
