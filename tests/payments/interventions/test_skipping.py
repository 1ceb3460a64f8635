"""Counting a step as done by people's word: only what breaks no promise."""

from typing import Any

import pytest
from django.db.models.functions import Now

from fraud.models import ReviewCase
from orders.models import Order
from payments.errors import InterventionNotPossibleError
from payments.models import SagaExecution
from tests.orders.builders import make_order
from tests.payments.builders import Api, advance, begin_checkout, charge_of, exchange, order_of, run_checkout, step_of
from tests.payments.interventions.builders import (
    approve,
    ask_for,
    everything,
    failed_refund,
    failed_void,
    force,
    possible,
    stopped_unknown,
)
from tests.payments.sagas.evidence import effective
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def paused_before_shipping(sandbox: Sandbox, **order: Any) -> SagaExecution:
    """Paid; the carrier asks for patience, and a person pauses."""
    sandbox.fault("status_429", operation="ship")
    saga = exchange(begin_checkout(make_order(**order)), times=3)
    ask_for(saga, "pause")
    sandbox.clear_faults()
    return saga


def test_a_parcel_handed_over_by_hand_completes_the_order(sandbox: Sandbox) -> None:
    saga = paused_before_shipping(sandbox)

    assert "skip" in possible(saga)
    row = force(saga, "skip")
    assert (row.state, row.is_forced) == ("applied", True)
    ask_for(saga, "resume")
    saga = advance(saga)

    assert (saga.state, order_of(saga).status, order_of(saga).is_paid) == ("resolved", "completed", True)
    assert effective(sandbox, saga) == ["authorize", "capture"]
    assert set(order_of(saga).reservations.values_list("state", flat=True)) == {"consumed"}


@pytest.mark.parametrize("unpaid", [{"paid_minor": 24_99}, {"paid_minor": 0}, {"cancel_requested_at": Now()}], ids=str)
def test_people_are_held_to_what_the_saga_is_held_to_before_it_ships(sandbox: Sandbox, unpaid: dict[str, Any]) -> None:
    saga = paused_before_shipping(sandbox)
    Order.objects.filter(pk=saga.order_id).update(**unpaid)
    before = everything(saga)

    with pytest.raises(InterventionNotPossibleError, match=r"not paid for|cancelled"):
        ask_for(saga, "skip")

    assert everything(saga) == before


def test_what_was_refused_in_review_does_not_ship_by_peoples_word(sandbox: Sandbox, settings: Any) -> None:
    settings.FRAUD_REVIEW_MODE = "post_charge"
    saga = paused_before_shipping(sandbox, billing={"country": "DE", "postal_code": "1"})
    ReviewCase.objects.update(state="closed", outcome="rejected")

    with pytest.raises(InterventionNotPossibleError, match="review was rejected"):
        ask_for(saga, "skip")


def test_a_second_person_who_comes_after_the_cancellation_changes_nothing(sandbox: Sandbox) -> None:
    saga = paused_before_shipping(sandbox)
    row = ask_for(saga, "skip")
    Order.objects.filter(pk=saga.order_id).update(cancel_requested_at=Now())

    assert approve(row).state == "stale"
    assert step_of(saga, "create_shipment").state == "started"


@pytest.mark.parametrize("operation", ["authorize", "capture", "ship"])
def test_what_is_unknown_is_never_skipped(sandbox: Sandbox, operation: str) -> None:
    saga = stopped_unknown(sandbox, operation)

    assert "skip" not in possible(saga)


def test_money_is_never_skipped_in_either_direction(sandbox: Sandbox) -> None:
    for saga in (failed_refund(), failed_void()):
        with pytest.raises(InterventionNotPossibleError, match="cannot be left out"):
            ask_for(saga, "skip")


def test_what_goes_on_by_itself_is_not_skipped(sandbox: Sandbox) -> None:
    assert "skip" not in possible(run_checkout(payment_method="tok_avs_partial"))


@pytest.fixture
def out_of_reach(sandbox: Sandbox) -> SagaExecution:
    """Being undone, and the carrier would not call the parcel back."""
    saga = run_checkout()
    order = order_of(saga)
    order.reservations.update(state="held")
    Order.objects.filter(pk=order.pk).update(status="needs_attention")
    failure = {"code": "operation_refused", "detail": "", "retriable": False}
    SagaExecution.objects.filter(pk=saga.pk).update(
        state="failed_compensation", direction="compensating", cursor=6, failure=failure
    )
    saga.refresh_from_db()
    return saga


def test_a_parcel_that_is_lost_to_us_is_paid_back_and_never_followed_by_a_second(
    out_of_reach: SagaExecution, sandbox: Sandbox
) -> None:
    force(out_of_reach, "skip")
    saga = advance(out_of_reach)

    order = order_of(saga)
    assert (saga.state, order.status, order.paid_minor) == ("resolved", "cancelled", 0)
    assert effective(sandbox, saga) == ["authorize", "capture", "ship", "refund"]
    assert order.shipments.get().status == "shipped"
    assert charge_of(saga).refunded_minor == 25_00
    assert Api(order.client).checkout(order).status_code == 409
