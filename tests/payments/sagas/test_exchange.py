"""What is sent, what is looked up, and when silence means that nothing happened."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from payments.errors import (
    CircuitOpenError,
    GatewayTimeoutError,
    NetworkError,
    OperationRefusedError,
    UnexpectedOutcomeError,
)
from payments.models import SagaExecution, SagaStep
from payments.sagas import engine, exchange, leases, retries
from payments.sagas.definition import Foreign
from tests.payments import builders
from tests.payments.builders import advance, end_sending, order_of
from tests.payments.sagas.builders import DONE, PROMISES, Scripted, define, local, refusing, start

pytestmark = pytest.mark.django_db

SILENCE = GatewayTimeoutError()
NONSENSE = GatewayTimeoutError(is_answered=True)


def keys(saga: SagaExecution, *numbers: int) -> list[str]:
    return [f"{saga.public_id}:scripted_call:do:{number}" for number in numbers]


def begun_by_somebody_who_died(call: Scripted, *, sent_ago: timedelta) -> SagaExecution:
    """The request is committed; whether it was sent nobody knows."""
    saga = start(define(call))
    engine.advance(saga.pk, owner="dead", should_stop=lambda: True)
    SagaStep.objects.filter(saga=saga).update(send_before=Now() - sent_ago + exchange.SEND_WINDOW)
    return saga


class TestKeys:
    def test_what_was_never_sent_is_sent_again_with_the_same_key(self) -> None:
        call = Scripted(NetworkError(), DONE)
        saga = advance(start(define(call)))

        assert (saga.state, call.keys) == ("completed", keys(saga, 0, 0))

    def test_silence_that_turns_out_to_be_nothing_is_sent_again_with_the_same_key(self) -> None:
        call = Scripted(SILENCE, DONE)
        saga = advance(start(define(call)))

        assert (saga.state, call.keys, call.look_ups) == ("completed", keys(saga, 0, 0), 1)

    def test_an_answer_that_says_nothing_needs_a_new_key_once_nothing_is_found(self) -> None:
        call = Scripted(NONSENSE, DONE)
        saga = advance(start(define(call)))

        assert (saga.state, call.keys, call.look_ups) == ("completed", keys(saga, 0, 1), 1)

    def test_a_key_that_somebody_else_may_still_be_about_to_send_is_kept(self) -> None:
        call = Scripted(NONSENSE, DONE, found=[SILENCE, None])
        saga = builders.exchange(start(define(call)))
        assert SagaStep.objects.get(saga=saga).is_answered
        end_sending(saga)

        saga = advance(saga)

        assert (saga.state, call.keys) == ("completed", keys(saga, 0, 0))

    def test_the_number_does_not_rise_while_nobody_knows(self) -> None:
        call = Scripted(NONSENSE, found=[SILENCE])
        saga = builders.exchange(start(define(call)))

        step = SagaStep.objects.get(saga=saga)
        assert (step.key_number, step.outcome, saga.waiting_for) == (0, "unknown", "unknown_outcome")


class TestLookingUp:
    def test_what_was_done_in_silence_is_found_and_not_sent_again(self) -> None:
        call = Scripted(SILENCE, found=[DONE])
        saga = advance(start(define(call)))

        assert (saga.state, call.keys, call.recorded) == ("completed", keys(saga, 0), ["look_up"])

    def test_what_a_dead_worker_sent_is_found_and_not_sent_again(self) -> None:
        call = Scripted(found=[DONE])
        saga = begun_by_somebody_who_died(call, sent_ago=timedelta(0))

        saga = advance(saga)

        assert (saga.state, call.keys, call.recorded) == ("completed", [], ["look_up"])

    def test_what_may_still_be_on_its_way_is_waited_for(self) -> None:
        call = Scripted()
        saga = begun_by_somebody_who_died(call, sent_ago=timedelta(0))

        saga = advance(saga)

        row: Any = SagaExecution.objects.annotate(now=Now()).get(pk=saga.pk)
        assert (row.state, row.waiting_for, call.keys) == ("waiting", "unknown_outcome", [])
        assert row.next_run_at - row.now > timedelta(seconds=2)

    def test_the_settle_delay_is_waited_for_before_absence_counts(self) -> None:
        call = Scripted(SILENCE, promises=replace(PROMISES, settle_delay=timedelta(minutes=1)))

        saga = advance(start(define(call)))

        assert (saga.state, saga.waiting_for, call.keys) == ("waiting", "unknown_outcome", keys(saga, 0))

    def test_after_the_settle_delay_absence_counts(self) -> None:
        call = Scripted(SILENCE, DONE, promises=replace(PROMISES, settle_delay=timedelta(minutes=1)))
        saga = advance(start(define(call)))
        end_sending(saga)

        saga = advance(saga)

        assert (saga.state, call.keys) == ("completed", keys(saga, 0, 0))

    def test_where_absence_proves_nothing_nothing_is_sent_again(self) -> None:
        call = Scripted(SILENCE, promises=replace(PROMISES, absence_is_proof=False))
        saga = builders.exchange(start(define(call)))
        end_sending(saga)

        saga = builders.exchange(saga)

        assert (saga.state, saga.waiting_for, call.keys) == ("waiting", "unknown_outcome", keys(saga, 0))
        assert SagaStep.objects.get(saga=saga).look_ups == 2

    def test_what_stays_unknown_for_too_long_is_for_a_person(self) -> None:
        call = Scripted(SILENCE, found=[SILENCE])
        saga = builders.exchange(start(define(call)))
        SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() - timedelta(minutes=1))

        saga = builders.exchange(saga)

        assert (saga.state, order_of(saga).status, call.keys) == ("needs_attention", "needs_attention", keys(saga, 0))

    def test_a_look_up_that_fails_says_nothing(self) -> None:
        call = Scripted(SILENCE, found=[NetworkError(), OperationRefusedError(), DONE])
        saga = builders.exchange(start(define(call)))
        assert saga.waiting_for == "unknown_outcome"

        saga = builders.exchange(saga)
        assert saga.waiting_for == "unknown_outcome"

        assert advance(saga).state == "completed"
        assert call.keys == keys(saga, 0)

    def test_a_request_whose_time_has_passed_is_not_sent(self) -> None:
        call = Scripted()
        saga = start(define(call))
        leases.claim(saga.pk, owner="slow")
        run = engine.load(saga.pk)
        started = engine._resume(run)
        assert started is not None

        answer = exchange.ask(run, replace(started, send_by=0.0))

        assert isinstance(answer, exchange.NotDone)
        assert call.keys == []


class TestTheEndOfPatience:
    def test_a_budget_of_sends_is_spent_and_then_it_is_a_no(self) -> None:
        call = Scripted(NetworkError())
        saga = start(define(call))
        saga = builders.exchange(saga)
        SagaStep.objects.filter(saga=saga).update(attempts=retries.FORWARD_SENDS)

        saga = advance(saga)

        assert (saga.state, saga.failure["code"], len(call.keys)) == ("compensated", "gateway_unavailable", 1)

    def test_undoing_has_a_larger_budget_and_ends_with_a_person(self) -> None:
        undo = Scripted(NetworkError())
        saga = start(define(Foreign(Scripted(), undo=undo), local(refusing(OperationRefusedError()))))
        engine.advance(saga.pk, owner="w", should_stop=iter([False, False, *[True] * 99]).__next__)
        undoing = SagaStep.objects.filter(saga=saga, direction="compensating", position=0)
        undoing.update(attempts=retries.FORWARD_SENDS)

        saga = builders.exchange(saga)
        assert saga.state in ("waiting", "compensating")
        undoing.update(attempts=retries.COMPENSATION_SENDS)
        saga = advance(saga)

        assert retries.COMPENSATION_SENDS > retries.FORWARD_SENDS
        assert (saga.state, order_of(saga).status) == ("failed_compensation", "needs_attention")

    def test_what_undoes_waits_for_a_gateway_that_is_left_alone_and_loses_no_try_by_it(self) -> None:
        undo = Scripted(CircuitOpenError(retry_after=60), found=[CircuitOpenError(retry_after=60)])
        saga = start(define(Foreign(Scripted(), undo=undo), local(refusing(OperationRefusedError()))))
        saga = advance(saga)
        undoing = SagaStep.objects.filter(saga=saga, direction="compensating", position=0)
        undoing.update(attempts=retries.COMPENSATION_SENDS - 1)

        for _ in range(3):
            saga = advance(saga)

        assert (saga.state, saga.waiting_for) == ("waiting", "back_off")
        assert undoing.get().attempts == retries.COMPENSATION_SENDS - 1
        assert saga.next_run_at > saga.updated_at + timedelta(seconds=50)

    def test_not_longer_than_the_gateway_keeps_the_key(self) -> None:
        undo = Scripted(CircuitOpenError(retry_after=60))
        saga = start(define(Foreign(Scripted(), undo=undo), local(refusing(OperationRefusedError()))))
        saga = advance(saga)
        undoing = SagaStep.objects.filter(saga=saga, direction="compensating", position=0)
        undoing.update(key_first_used_at=Now() - PROMISES.key_retention - timedelta(1))

        assert advance(saga).state in SagaExecution.STUCK

    def test_going_forward_a_gateway_that_is_left_alone_costs_a_try(self) -> None:
        call = Scripted(CircuitOpenError(retry_after=60), found=[CircuitOpenError(retry_after=60)])
        saga = advance(start(define(call)))
        for _ in range(retries.FORWARD_SENDS - 1):
            assert saga.waiting_for == "back_off"
            saga = advance(saga)

        assert (saga.state, saga.failure["code"]) == ("compensated", "gateway_unavailable")
        assert len(call.keys) == retries.FORWARD_SENDS

    def test_an_unknown_outcome_is_asked_for_when_the_gateway_is_asked_again(self) -> None:
        call = Scripted(SILENCE, found=[CircuitOpenError(retry_after=60)])
        saga = advance(start(define(call)))

        assert saga.waiting_for == "unknown_outcome"
        assert saga.next_run_at > saga.updated_at + timedelta(seconds=50)

    def test_a_key_the_peer_may_have_forgotten_is_never_sent_again(self) -> None:
        call = Scripted(NetworkError(), DONE)
        saga = builders.exchange(start(define(call)))
        SagaStep.objects.filter(saga=saga).update(key_first_used_at=Now() - PROMISES.key_retention - timedelta(1))

        saga = advance(saga)

        assert (saga.state, call.keys) == ("needs_attention", keys(saga, 0))

    def test_an_old_key_is_still_looked_up(self) -> None:
        call = Scripted(SILENCE, found=[SILENCE, DONE])
        saga = builders.exchange(start(define(call)))
        SagaStep.objects.filter(saga=saga).update(key_first_used_at=Now() - PROMISES.key_retention - timedelta(1))

        assert advance(saga).state == "completed"

    def test_a_definite_no_is_not_asked_for_twice(self) -> None:
        call = Scripted(OperationRefusedError("Never."))
        saga = advance(start(define(call)))

        assert (saga.state, saga.failure["detail"], call.keys, call.look_ups) == (
            "compensated", "Never.", keys(saga, 0), 0,
        )  # fmt: skip

    def test_an_outcome_other_than_asked_is_for_a_person(self) -> None:
        call = Scripted(UnexpectedOutcomeError("Twice the amount."))
        saga = advance(start(define(call)))

        assert (saga.state, order_of(saga).status, call.keys) == ("needs_attention", "needs_attention", keys(saga, 0))


def test_each_exchange_is_kept_beside_its_step_also_the_failed_ones() -> None:
    saga = advance(start(define(Scripted(NetworkError("Unreachable."), DONE))))

    step = SagaStep.objects.get(saga=saga)
    assert (step.attempts, step.error, step.result["reference"]) == (2, {}, "ref-1")
