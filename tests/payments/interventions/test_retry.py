"""Trying again: every foreign step in both directions, against a gateway that has said no, or nothing."""

from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now

from orders.models import Order
from payments.errors import InterventionNotPossibleError, OperationRefusedError, RefundExceedsCapturedError
from payments.models import ChargeAttempt, Refund, SagaEvent, SagaExecution, SagaStep
from payments.sagas import engine, leases
from payments.sagas.definition import Foreign, Refuse
from payments.sagas.operations import RefundCharge
from payments.sagas.refund import REFUND
from payments.sagas.run import Run
from tests.orders.builders import make_order
from tests.payments.builders import (
    LONG_AGO,
    WORKER,
    advance,
    begin_checkout,
    charge_of,
    exchange,
    order_of,
    run_checkout,
    step_of,
)
from tests.payments.interventions.builders import (
    ask_for,
    by_hand,
    everything,
    failed_refund,
    failed_void,
    force,
    given_up,
    make_operator,
    possible,
    step_in_hand,
    stopped_refund,
    stopped_unknown,
    unknown,
    unreachable_refund,
)
from tests.payments.sagas.builders import Scripted, define, local, refusing, start
from tests.payments.sagas.evidence import assert_nothing_was_taken, effective, journal, key_numbers
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


class TestARefusedRefund:
    def test_is_asked_for_once_more_under_a_new_key_and_refused_again(self, sandbox: Sandbox) -> None:
        saga = failed_refund()

        ask_for(saga, "retry")
        assert (saga.state, order_of(saga).status, charge_of(saga).refund_pending_minor) == (
            "compensating", "processing", 25_00,
        )  # fmt: skip
        saga = advance(saga)

        assert key_numbers(sandbox, saga, "refund") == [0, 1]
        assert (saga.state, order_of(saga).status) == ("failed_compensation", "needs_attention")
        assert (charge_of(saga).refund_pending_minor, Refund.objects.get(saga=saga).status) == (0, "failed")

    def test_that_goes_through_at_last_undoes_the_rest(self, sandbox: Sandbox) -> None:
        saga = unreachable_refund(sandbox)

        ask_for(saga, "retry")
        saga = advance(saga)

        assert_nothing_was_taken(sandbox, saga)
        assert effective(sandbox, saga) == ["authorize", "capture", "refund"]

    def test_whose_money_went_back_meanwhile_is_not_asked_for_again(self, sandbox: Sandbox) -> None:
        saga = stopped_refund(sandbox)
        ChargeAttempt.objects.filter(pk=saga.refunds.get().charge_id).update(refunded_minor=25_00)
        before = everything(saga)

        with pytest.raises(InterventionNotPossibleError, match="not that much left"):
            ask_for(saga, "retry")

        assert everything(saga) == before

    def test_that_nobody_waits_for_is_asked_for_again_too(self, sandbox: Sandbox) -> None:
        saga = stopped_refund(sandbox)

        ask_for(saga, "retry")
        assert saga.refunds.get().status == "pending"
        saga = advance(saga)

        assert (saga.state, order_of(saga).status, saga.refunds.get().status) == (
            "needs_attention", "completed", "failed",
        )  # fmt: skip

    def test_found_done_by_webhook_meanwhile_needs_nothing_more(self, sandbox: Sandbox) -> None:
        saga = failed_refund()
        Refund.objects.filter(saga=saga).update(status="succeeded")
        ChargeAttempt.objects.filter(saga=saga).update(refunded_minor=25_00)

        ask_for(saga, "retry")
        saga = advance(saga)

        assert (saga.state, step_of(saga, "refund_payment").outcome) == ("compensated", "not_needed")
        assert len(journal(sandbox, saga, "refund")) == 1


class TestARefusedVoid:
    def test_is_tried_under_a_new_key(self, sandbox: Sandbox) -> None:
        saga = failed_void()

        ask_for(saga, "retry")
        saga = advance(saga)

        assert (saga.state, key_numbers(sandbox, saga, "void")) == ("failed_compensation", [0, 1])

    def test_of_an_authorization_that_has_expired_since_is_done(self, sandbox: Sandbox) -> None:
        saga = failed_void()
        sandbox.fault("expire_authorizations")

        ask_for(saga, "retry")
        saga = advance(saga)

        assert charge_of(saga).status == "voided"
        assert_nothing_was_taken(sandbox, saga)

    def test_of_money_that_was_taken_meanwhile_is_not_tried(self, sandbox: Sandbox) -> None:
        saga = failed_void()
        ChargeAttempt.objects.filter(saga=saga).update(status="captured", captured_minor=25_00)

        assert "retry" not in possible(saga)


def test_a_parcel_the_carrier_would_not_call_back_is_called_back_at_last(sandbox: Sandbox) -> None:
    sandbox.fault("status_429", operation="cancel_shipment")
    saga = run_checkout()
    order = order_of(saga)
    order.reservations.update(state="held")
    Order.objects.filter(pk=order.pk).update(status="processing")
    failure = {"code": "operation_refused", "detail": "", "retriable": False}
    SagaExecution.objects.filter(pk=saga.pk).update(
        state="compensating", direction="compensating", cursor=6, failure=failure
    )
    saga.refresh_from_db()
    saga = given_up(exchange(saga))
    assert saga.state == "failed_compensation"
    sandbox.clear_faults()

    ask_for(saga, "retry")
    saga = advance(saga)

    assert effective(sandbox, saga) == ["authorize", "capture", "ship", "cancel_shipment", "refund"]
    assert_nothing_was_taken(sandbox, saga)


class TestAnUnknownOutcome:
    @pytest.mark.parametrize("operation", ["authorize", "capture", "ship"])
    def test_is_asked_for_under_the_same_key_and_the_checkout_goes_on(self, sandbox: Sandbox, operation: str) -> None:
        saga = stopped_unknown(sandbox, operation)
        sandbox.clear_faults()

        ask_for(saga, "retry")
        assert order_of(saga).status == "processing"
        saga = advance(saga)

        assert (saga.state, order_of(saga).status) == ("completed", "completed")
        assert effective(sandbox, saga) == ["authorize", "capture", "ship"]
        assert key_numbers(sandbox, saga, operation) == [0]

    def test_of_something_that_did_not_happen_is_sent_under_the_same_key(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture", fault="drop_before")
        SagaStep.objects.filter(saga=saga, state="started").update(send_before=Now() - LONG_AGO)
        sandbox.clear_faults()

        ask_for(saga, "retry")
        saga = advance(saga)

        assert (saga.state, key_numbers(sandbox, saga, "capture")) == ("completed", [0, 0])

    def test_of_a_refund_is_found_and_given_once(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "refund")
        sandbox.clear_faults()

        ask_for(saga, "retry")
        saga = advance(saga)

        assert effective(sandbox, saga).count("refund") == 1
        assert_nothing_was_taken(sandbox, saga)

    def test_that_stays_unknown_is_waited_for_another_day(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture")

        ask_for(saga, "retry")
        saga = exchange(saga)

        assert (saga.state, saga.waiting_for) == ("waiting", "unknown_outcome")

    def test_of_an_order_cancelled_meanwhile_never_ships(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture")
        sandbox.clear_faults()
        Order.objects.filter(pk=saga.order_id).update(cancel_requested_at=Now())

        ask_for(saga, "retry")
        saga = advance(saga)

        assert (saga.state, order_of(saga).status) == ("compensated", "cancelled")
        assert effective(sandbox, saga) == ["authorize", "capture", "refund"]

    def test_whose_key_the_gateway_may_have_forgotten_is_not_sent_again(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture", fault="drop_before")
        aged = Now() - 48 * LONG_AGO
        SagaStep.objects.filter(saga=saga, state="started").update(send_before=aged, key_first_used_at=aged)
        sandbox.clear_faults()

        ask_for(saga, "retry")
        saga = advance(saga)

        assert (saga.state, len(journal(sandbox, saga, "capture"))) == ("needs_attention", 1)

    def test_goes_on_to_wait_for_a_review_where_one_is_needed(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "authorize", order=make_order(billing={"country": "DE", "postal_code": "1"}))
        sandbox.clear_faults()

        ask_for(saga, "retry")
        saga = advance(saga)

        assert (saga.waiting_for, order_of(saga).status) == ("review", "in_review")


class Moody(Scripted):
    """Refused by its peer, and by itself from then on."""

    def prepare(self, run: Run) -> Any:
        return Refuse(OperationRefusedError("Not any more.")) if self.keys else super().prepare(run)


def test_what_must_not_be_done_any_more_is_not_asked_for_again() -> None:
    undo = Moody(OperationRefusedError())
    saga = advance(start(define(Foreign(Scripted(), undo=undo), local(refusing(OperationRefusedError())))))
    assert (saga.state, len(undo.keys)) == ("failed_compensation", 1)
    before = everything(saga)

    with pytest.raises(InterventionNotPossibleError, match="must not be done any more"):
        ask_for(saga, "retry")

    assert everything(saga) == before


def test_money_is_never_set_aside_twice_for_one_refund(sandbox: Sandbox) -> None:
    saga = stopped_refund(sandbox)
    ChargeAttempt.objects.filter(order=saga.order_id).update(refunded_minor=20_00)
    run = Run(saga, REFUND, database_now=saga.created_at)

    with pytest.raises(RefundExceedsCapturedError), transaction.atomic():
        RefundCharge().mark_asked_again(run)

    assert saga.refunds.get().status == "failed"


class TestWaiting:
    def test_in_back_off_is_over_at_once(self, sandbox: Sandbox) -> None:
        sandbox.fault("status_429", operation="capture", times=1)
        saga = exchange(begin_checkout(make_order()), times=2)
        SagaExecution.objects.filter(pk=saga.pk).update(next_run_at=Now() + LONG_AGO)
        assert not engine.advance_next(owner=WORKER)

        ask_for(saga, "retry")

        assert engine.advance_next(owner=WORKER)
        saga.refresh_from_db()
        assert saga.state == "completed"

    def test_for_an_unknown_outcome_is_over_at_once(self, sandbox: Sandbox) -> None:
        saga = unknown(sandbox, "capture")

        ask_for(saga, "retry")

        assert (saga.state, leases.claim_next(owner=WORKER)) == ("waiting", saga.pk)

    @pytest.mark.parametrize("payment_method", ["tok_3ds", "tok_avs_partial"])
    def test_for_a_customer_or_a_review_goes_on(self, sandbox: Sandbox, payment_method: str) -> None:
        saga = run_checkout(payment_method=payment_method)

        assert "retry" not in possible(saga)


class TestOthers:
    def test_what_has_ended_is_not_tried_again(self, sandbox: Sandbox) -> None:
        assert possible(run_checkout()) == set()

    def test_another_amount_than_asked_is_not_asked_for_again(self, sandbox: Sandbox) -> None:
        sandbox.fault("wrong_amount", operation="capture", times=1)
        saga = run_checkout()
        assert saga.state == "needs_attention"

        assert "retry" not in possible(saga)

    def test_a_saga_on_which_workers_kept_dying_is_carried_on(self, sandbox: Sandbox) -> None:
        saga = begin_checkout(make_order())
        SagaExecution.objects.filter(pk=saga.pk).update(
            recoveries=99, lease_owner="gone", lease_until=Now() - LONG_AGO, state="running"
        )
        saga = advance(saga)
        assert saga.state == "needs_attention"

        ask_for(saga, "retry")
        saga = advance(saga)

        assert (saga.state, saga.recoveries) == ("completed", 0)

    def test_a_local_step_that_failed_is_run_again(self) -> None:
        sound: list[bool] = []

        def undo(_run: object) -> None:
            if not sound:
                raise InterventionNotPossibleError("Broken.")

        saga = start(define(local(lambda _run: None, undo), Scripted(InterventionNotPossibleError())))
        saga = advance(saga)
        assert (saga.state, step_in_hand(saga).state) == ("failed_compensation", "failed")
        sound.append(True)

        ask_for(saga, "retry")
        saga = advance(saga)

        assert (saga.state, step_in_hand(saga).state) == ("compensated", "done")
        assert SagaEvent.objects.get(saga=saga, kind="retried").before["error"]["detail"] == "Broken."


def test_the_history_says_who_tried_again_and_why(sandbox: Sandbox) -> None:
    saga, operator = failed_refund(), make_operator()

    row = ask_for(saga, "retry", by=operator)

    event = SagaEvent.objects.get(saga=saga, kind="retried")
    assert (event.actor, event.reason, event.before["state"], event.after["state"]) == (
        operator.username, "Spoke to the customer.", "failed_compensation", "compensating",
    )  # fmt: skip
    assert event.after["intervention"] == row.public_id
    assert event.after["key"].endswith(":undo:1")
    assert (row.state, row.needs_approval) == ("applied", False)


def test_a_stray_that_could_not_be_given_back_is_tried_again(sandbox: Sandbox) -> None:
    saga = failed_void()
    charge = charge_of(saga)
    ChargeAttempt.objects.filter(pk=charge.pk).update(status="voided")
    remedy = SagaExecution.objects.create(
        definition="remedy", version=1, business_key="stray", order=saga.order,
        context={"charge": str(charge.pk), "gateway": "sandbox", "operation": "authorize",
                 "reference": charge.gateway_reference, "amount": 25_00, "currency": "USD"},
    )  # fmt: skip
    remedy = advance(remedy)
    assert remedy.state == "needs_attention"
    assert possible(remedy) == {"retry", "look_up", "mark_compensated"}
    sandbox.fault("expire_authorizations")

    ask_for(remedy, "retry")

    assert advance(remedy).state == "completed"


def test_after_people_said_it_did_not_happen_a_new_key_is_sent(sandbox: Sandbox) -> None:
    saga = stopped_unknown(sandbox, "capture", fault="drop_before")
    SagaStep.objects.filter(saga=saga, state="started").update(send_before=Now() - LONG_AGO)
    force(saga, "resolve_unknown", evidence="ticket-4711", result="did_not_happen")
    sandbox.clear_faults()
    assert saga.state == "needs_attention"

    ask_for(saga, "retry")
    saga = advance(saga)

    assert (saga.state, key_numbers(sandbox, saga, "capture")) == ("resolved", [0, 1])
    assert by_hand(sandbox, charge_of(saga), "refunds", amount=1)
