"""A peer that cannot be asked: what it has told by itself is found in the step, and silence proves nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from payments.errors import GatewayTimeoutError, NetworkError, OperationRefusedError, UnexpectedOutcomeError
from payments.gateways.base import Card, Operation, Outcome, Result
from payments.models import SagaExecution, SagaStep
from payments.sagas import engine, exchange, leases, retries
from payments.sagas.definition import Park
from payments.sagas.run import Run
from tests.payments import builders
from tests.payments.builders import advance, end_sending, order_of
from tests.payments.sagas.builders import DONE, PROMISES, Scripted, define, start

pytestmark = pytest.mark.django_db

SILENT = replace(PROMISES, can_be_asked=False, absence_is_proof=False)
SILENCE = GatewayTimeoutError()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def scripted(*answers: Any, **how: Any) -> Scripted:
    return Scripted(*answers, promises=SILENT, **how)


def key_of(saga: SagaExecution) -> str:
    return SagaStep.objects.get(saga=saga).key


def tell(saga: SagaExecution, outcome: Outcome = DONE, *, key: str = "") -> bool:
    """What the inbox does with an event."""
    is_kept = exchange.keep_word(saga, replace(outcome, key=key or key_of(saga)))
    saga.wake()
    return is_kept


def lost(call: Scripted) -> SagaExecution:
    """A call whose answer was lost, and of which nothing is told yet."""
    saga = builders.exchange(start(define(call)))
    assert (saga.waiting_for, SagaStep.objects.get(saga=saga).outcome) == ("unknown_outcome", "unknown")
    return saga


def test_what_is_told_of_a_lost_answer_is_what_became_of_it() -> None:
    call = scripted(SILENCE)
    saga = lost(call)

    assert tell(saga)
    saga = advance(saga)

    assert (saga.state, call.recorded, len(call.keys), call.look_ups) == ("completed", ["webhook"], 1, 0)


def test_as_long_as_nothing_is_told_nothing_is_sent_again() -> None:
    call = scripted(SILENCE)
    saga = lost(call)

    for _ in range(3):
        end_sending(saga)
        saga = builders.exchange(saga)

    assert (saga.state, saga.waiting_for, len(call.keys), call.look_ups) == ("waiting", "unknown_outcome", 1, 0)


def test_what_is_never_told_is_for_a_person_in_the_end() -> None:
    call = scripted(SILENCE)
    saga = lost(call)
    SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() - timedelta(minutes=1))

    saga = builders.exchange(saga)

    assert (saga.state, order_of(saga).status, len(call.keys)) == ("needs_attention", "needs_attention", 1)


def test_what_a_dead_worker_has_sent_is_found_by_whoever_takes_over() -> None:
    call = scripted()
    saga = start(define(call))
    engine.advance(saga.pk, owner="dead", should_stop=lambda: True)
    SagaStep.objects.filter(saga=saga).update(send_before=Now() + exchange.SEND_WINDOW)

    assert tell(saga)
    saga = advance(saga)

    assert (saga.state, call.keys, call.recorded) == ("completed", [], ["webhook"])


def test_what_was_certainly_never_sent_is_sent_although_nobody_can_be_asked() -> None:
    call = scripted(NetworkError(), DONE)
    saga = builders.exchange(start(define(call)))
    assert (saga.waiting_for, SagaStep.objects.get(saga=saga).send_before) == ("back_off", None)

    saga = advance(saga)

    assert (saga.state, len(call.keys), call.recorded) == ("completed", 2, ["answer"])


def test_a_definite_no_needs_nobodys_word() -> None:
    call = scripted(OperationRefusedError())

    assert advance(start(define(call))).state == "compensated"


def test_what_is_told_while_the_call_is_on_its_way_is_there_when_its_answer_is_lost() -> None:
    def told_first(run: Run) -> Outcome:
        assert tell(run.saga)
        raise SILENCE

    call = scripted(told_first)

    saga = advance(start(define(call)))

    assert (saga.state, len(call.keys), call.recorded) == ("completed", 1, ["webhook"])


def test_what_is_told_before_the_answer_that_it_will_be_told_is_not_slept_through() -> None:
    def told_first(run: Run) -> Outcome:
        assert tell(run.saga)
        return replace(DONE, result=Result.PENDING)

    call = scripted(told_first, verdict=Park("gateway", timedelta(hours=1), retries.UNKNOWN_PATIENCE))
    saga = start(define(call))
    engine.advance(saga.pk, owner="first")
    saga.refresh_from_db()
    assert saga.waiting_for == "gateway"

    call._verdict = None
    assert engine.advance(saga.pk, owner="woken")

    saga.refresh_from_db()
    assert (saga.state, call.recorded) == ("completed", ["answer", "webhook"])


def test_the_first_final_word_stays() -> None:
    saga = lost(scripted(SILENCE))
    failed = replace(DONE, result=Result.FAILED)

    assert [tell(saga), tell(saga), tell(saga, failed)] == [True, True, False]
    assert SagaStep.objects.get(saga=saga).told["result"] == "succeeded"


@pytest.mark.parametrize("result", [Result.PENDING, Result.REQUIRES_ACTION])
def test_a_word_that_is_not_final_is_not_kept(result: Result) -> None:
    saga = lost(scripted(SILENCE))

    assert not tell(saga, replace(DONE, result=result))
    assert SagaStep.objects.get(saga=saga).told == {}


def test_a_word_about_nothing_that_was_asked_for_is_not_kept() -> None:
    saga = lost(scripted(SILENCE))

    assert not tell(saga, key="saga_of:somebody:do:0")
    assert not exchange.keep_word(saga, DONE)


def test_a_word_about_an_earlier_key_says_nothing_about_the_present_one() -> None:
    call = scripted(SILENCE)
    saga = lost(call)
    tell(saga, replace(DONE, result=Result.FAILED))
    SagaStep.objects.filter(saga=saga).update(key=f"{key_of(saga)}1")

    saga = builders.exchange(saga)
    assert (saga.waiting_for, call.recorded) == ("unknown_outcome", [])

    assert tell(saga)
    assert advance(saga).state == "completed"


def test_a_worker_that_writes_its_step_does_not_write_over_what_was_told() -> None:
    saga = start(define(scripted(SILENCE)))
    leases.claim(saga.pk, owner="slow")
    run = engine.load(saga.pk)
    started = engine._resume(run)
    assert started is not None
    tell(saga)

    run.touch(started.step)
    engine.commit(run, run.write)

    assert SagaStep.objects.get(saga=saga).told["key"] == started.step.key


def test_an_answer_that_came_after_its_lease_was_lost_is_kept_as_a_word() -> None:
    def overtaken(run: Run) -> Outcome:
        builders.make_due(run.saga)
        assert leases.claim(run.saga.pk, owner="other")
        return DONE

    call = scripted(overtaken)
    saga = start(define(call))
    engine.advance(saga.pk, owner="slow")
    assert call.recorded == []

    saga = advance(saga)

    assert (saga.state, len(call.keys), call.recorded) == ("completed", 1, ["webhook"])


def test_what_is_told_after_a_person_was_called_is_found_when_they_have_it_looked_up() -> None:
    call = scripted(UnexpectedOutcomeError("Twice the amount."))
    saga = advance(start(define(call)))
    assert saga.state == "needs_attention"

    assert tell(saga)

    assert SagaStep.objects.get(saga=saga).told_now()["result"] == "succeeded"


@pytest.mark.parametrize(
    "outcome",
    [
        DONE,
        Outcome(
            Operation.AUTHORIZE,
            Result.DECLINED,
            "tx",
            "ref",
            amount_minor=0,
            currency="EUR",
            occurred_at=NOW,
            card=Card("visa", "1111"),
            decline_code="refused",
            authorization_expires_at=NOW,
            key="k",
        ),
    ],
)
def test_an_outcome_is_read_from_what_was_kept_of_it(outcome: Outcome) -> None:
    assert Outcome.from_json(outcome.as_json()) == outcome
