"""The checkout against the sandbox, carried on by a worker: to its good end, whatever stays unanswered."""

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from fraud.models import Decision
from orders.models import Order, StockItem
from payments.models import LedgerPosting, SagaStep
from tests.orders.builders import make_order, make_stock
from tests.payments.builders import (
    advance,
    begin_checkout,
    charge_of,
    end_sending,
    exchange,
    order_of,
    run_checkout,
    step_of,
)
from tests.payments.sagas.evidence import assert_nothing_was_taken, effective, journal, key_numbers
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

IN_STOCK = 5


class TestTheGoodEnd:
    def test_a_paid_order_is_shipped_and_booked(self, sandbox: Sandbox) -> None:
        item = make_stock(available=IN_STOCK)
        saga = run_checkout(make_order(item=item, quantity=2))

        order, charge = order_of(saga), charge_of(saga)
        assert (saga.state, order.status, order.paid_minor) == ("completed", "completed", order.amount_minor)
        assert (charge.status, charge.captured_minor, charge.card_country) == ("captured", order.amount_minor, "US")
        assert effective(sandbox, saga) == ["authorize", "capture", "ship"]
        assert StockItem.objects.get(pk=item.pk).available == IN_STOCK - 2
        assert order.shipments.get().tracking_number
        posting = LedgerPosting.objects.get(charge=charge)
        assert (posting.kind, posting.debit, posting.credit) == ("capture", "gateway_clearing", "sales")

    def test_both_screenings_are_kept(self, sandbox: Sandbox) -> None:
        saga = run_checkout()

        decisions = Decision.objects.filter(order_id=saga.order_id).order_by("pk")
        assert [(d.stage, d.decision) for d in decisions] == [
            ("before_authorization", "approve"), ("after_authorization", "approve"),
        ]  # fmt: skip

    def test_nothing_of_a_card_number_is_kept_beside_the_steps(self, sandbox: Sandbox) -> None:
        saga = run_checkout()

        calls = [call for step in saga.steps.all() for call in step.calls]
        assert [call["operation"] for call in calls] == ["authorize", "capture", "ship"]
        assert all(call["status"] == 200 for call in calls)


class TestUnknownOutcomes:
    def test_a_reset_before_anything_was_done_is_tried_again_with_the_same_key(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_flaky_2")

        assert (saga.state, key_numbers(sandbox, saga, "authorize")) == ("completed", [0, 0, 0])
        assert effective(sandbox, saga).count("authorize") == 1

    def test_a_time_out_before_anything_was_done_is_tried_again_with_the_same_key(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_timeout_before")

        assert (saga.state, key_numbers(sandbox, saga, "authorize")) == ("completed", [0, 0])

    def test_a_time_out_after_success_is_looked_up_and_charged_once(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_timeout_after")

        assert (saga.state, key_numbers(sandbox, saga, "authorize")) == ("completed", [0])
        assert len(journal(sandbox, saga, "look_up")) == 1

    def test_an_answered_failure_makes_the_keys_number_rise(self, sandbox: Sandbox) -> None:
        sandbox.fault("status_500", operation="capture", times=2)

        saga = run_checkout()

        assert (saga.state, key_numbers(sandbox, saga, "capture")) == ("completed", [0, 1, 2])
        assert effective(sandbox, saga).count("capture") == 1

    def test_a_gateway_that_only_fails_ends_the_checkout_with_nothing_charged(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_server_error")

        assert saga.failure["code"] == "gateway_unavailable"
        assert key_numbers(sandbox, saga, "authorize") == [0, 1, 2, 3, 4]
        assert_nothing_was_taken(sandbox, saga)

    def test_a_gateway_that_asks_for_fewer_requests_gets_the_same_key_later(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_rate_limited")

        assert (saga.state, key_numbers(sandbox, saga, "authorize")) == ("completed", [0, 0])

    @pytest.mark.parametrize("operation", ["authorize", "capture", "ship"])
    @pytest.mark.parametrize("fault", ["reset_after", "drop_after"])
    def test_what_was_done_without_an_answer_is_found_and_not_repeated(
        self, sandbox: Sandbox, operation: str, fault: str
    ) -> None:
        sandbox.fault(fault, operation=operation, times=1)

        saga = run_checkout()

        assert saga.state == "completed"
        assert effective(sandbox, saga) == ["authorize", "capture", "ship"]
        assert key_numbers(sandbox, saga, operation) == [0]

    def test_garbage_is_looked_up(self, sandbox: Sandbox) -> None:
        sandbox.fault("garbage", operation="capture", times=1)

        saga = run_checkout()

        assert (saga.state, effective(sandbox, saga)) == ("completed", ["authorize", "capture", "ship"])

    def test_a_carrier_that_ships_in_silence_ships_once(self, sandbox: Sandbox) -> None:
        saga = run_checkout(make_order(postal_code="99998"))

        assert (saga.state, effective(sandbox, saga)) == ("completed", ["authorize", "capture", "ship"])
        assert order_of(saga).shipments.count() == 1

    def test_while_the_look_up_is_down_too_the_outcome_stays_unknown_and_is_found_later(self, sandbox: Sandbox) -> None:
        sandbox.fault("status_500", operation="look_up")
        saga = exchange(begin_checkout(make_order(), "tok_timeout_after"))
        assert (saga.state, saga.waiting_for, charge_of(saga).status) == ("waiting", "unknown_outcome", "unknown")
        assert order_of(saga).status == "processing"
        sandbox.clear_faults()

        saga = advance(saga)

        assert (saga.state, key_numbers(sandbox, saga, "authorize")) == ("completed", [0])

    def test_nothing_is_undone_while_a_capture_is_unknown(self, sandbox: Sandbox) -> None:
        sandbox.fault("drop_after", operation="capture", times=1)
        sandbox.fault("status_500", operation="look_up")
        saga = exchange(begin_checkout(make_order()), times=2)
        Order.objects.filter(pk=saga.order_id).update(cancel_requested_at=Now())

        saga = exchange(saga)

        assert (saga.state, saga.waiting_for, saga.direction) == ("waiting", "unknown_outcome", "forward")
        sandbox.clear_faults()
        saga = advance(saga)
        assert saga.failure["code"] == "order_cancelled"
        assert_nothing_was_taken(sandbox, saga, "cancelled")

    def test_a_look_up_that_lags_is_given_the_settle_delay(self, sandbox: Sandbox, settings: Settings) -> None:
        settings.SETTLE_DELAY_SECONDS = 60
        sandbox.fault("lagging_look_up", seconds=30)
        saga = run_checkout(payment_method="tok_timeout_after")
        assert (saga.state, saga.waiting_for) == ("waiting", "unknown_outcome")
        sandbox.clear_faults()

        saga = advance(saga)

        assert (saga.state, key_numbers(sandbox, saga, "authorize")) == ("completed", [0])

    @pytest.mark.parametrize("fault", ["wrong_amount", "wrong_currency"])
    @pytest.mark.parametrize("operation", ["authorize", "capture"])
    def test_another_amount_or_currency_than_asked_is_for_a_person(
        self, sandbox: Sandbox, operation: str, fault: str
    ) -> None:
        sandbox.fault(fault, operation=operation, times=1)

        saga = run_checkout()

        order = order_of(saga)
        assert (saga.state, order.status, order.paid_minor) == ("needs_attention", "needs_attention", 0)
        assert "ship" not in effective(sandbox, saga)
        in_suspense = [] if operation == "authorize" else ["suspense"]
        postings = LedgerPosting.objects.filter(charge__order=order)
        assert list(postings.values_list("credit", flat=True)) == in_suspense
        assert charge_of(saga).gateway_reference


def test_velocity_counts_an_attempt_once_however_often_it_is_carried_on(sandbox: Sandbox) -> None:
    client = make_order().client
    orders = [make_order(client, customer_id="in a hurry") for _ in range(6)]

    sagas = [run_checkout(order) for order in orders]

    assert [saga.state for saga in sagas] == ["completed"] * 5 + ["compensated"]
    assert sagas[-1].failure["code"] == "fraud_blocked"


def test_a_step_left_begun_is_finished_with_the_key_it_was_begun_with(sandbox: Sandbox) -> None:
    saga = exchange(begin_checkout(make_order()))
    begun = step_of(saga, "capture_payment")
    assert begun.state == SagaStep.State.STARTED
    end_sending(saga)

    saga = advance(saga)

    assert saga.state == "completed"
    assert [entry["idempotency_key"] for entry in journal(sandbox, saga, "capture")] == [begun.key]
