from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import F
from django.db.models.functions import Now

from orders.errors import DomainError, OutOfStock
from orders.models import Order
from payments.errors import FraudBlockedError, NetworkError, OperationRefusedError, RateLimitedError
from payments.models import SagaEvent, SagaExecution, SagaStep
from payments.sagas import engine
from payments.sagas.definition import Foreign, Local, Park, Verdict
from payments.sagas.run import Run
from tests.payments.builders import WORKER, advance, exchange, make_due, order_of
from tests.payments.sagas.builders import DONE, Scripted, define, local, refusing, start

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def do_nothing(_run: Run) -> Verdict:
    return None


def note_in_order(text: str) -> Local:
    """A local step with an effect of its own, and one that takes it back."""

    def do(run: Run) -> Verdict:
        Order.objects.filter(pk=run.saga.order_id).update(reference=text)
        return None

    def undo(run: Run) -> Verdict:
        Order.objects.filter(pk=run.saga.order_id).update(reference="undone")
        return None

    return Local(do, undo=undo)


class TestSteps:
    def test_local_steps_up_to_a_foreign_one_and_its_start_are_one_commit(self) -> None:
        call = Scripted()
        saga = start(define(note_in_order("done"), call))

        engine.advance(saga.pk, owner=WORKER, should_stop=lambda: True)

        step = SagaStep.objects.get(saga=saga, name="scripted_call")
        assert (order_of(saga).reference, step.state, call.keys) == ("done", "started", [])
        assert step.key == f"{saga.public_id}:scripted_call:do:0"

    def test_what_a_stopping_worker_has_begun_and_not_sent_the_next_one_sends_at_once(self) -> None:
        call = Scripted()
        saga = start(define(call))
        engine.advance(saga.pk, owner=WORKER, should_stop=lambda: True)
        step = SagaStep.objects.get(saga=saga)
        assert (step.send_before, step.attempts) == (None, 0)

        assert engine.advance(saga.pk, owner="worker:next")

        saga.refresh_from_db()
        assert (saga.state, call.keys) == ("completed", [f"{saga.public_id}:scripted_call:do:0"])

    def test_a_saga_whose_steps_are_done_is_completed(self) -> None:
        saga = advance(start(define(note_in_order("done"), Scripted())))

        assert (saga.state, saga.cursor, saga.lease_owner) == ("completed", 2, "")
        assert list(saga.steps.values_list("state", "outcome")) == [("done", "ok"), ("done", "ok")]
        assert saga.finished_at is not None

    def test_a_refusal_undoes_what_was_done_in_reverse_order(self) -> None:
        undo = Scripted()
        first, last = note_in_order("done"), local(refusing(FraudBlockedError()))
        saga = advance(start(define(first, Foreign(Scripted(), undo=undo), last)))

        assert (saga.state, saga.failure["code"]) == ("compensated", "fraud_blocked")
        assert undo.keys == [f"{saga.public_id}:scripted_call:undo:0"]
        assert order_of(saga).reference == "undone"

    def test_a_step_that_raises_leaves_nothing_of_what_it_wrote(self) -> None:
        def write_and_raise(run: Run) -> Verdict:
            Order.objects.filter(pk=run.saga.order_id).update(reference="must not stay")
            raise OutOfStock

        saga = advance(start(define(local(write_and_raise))))

        assert (saga.state, saga.failure["code"], order_of(saga).reference) == ("compensated", "out_of_stock", "")
        assert saga.steps.get(direction="forward").error["code"] == "out_of_stock"

    def test_a_step_with_nothing_to_do_at_the_peer_is_not_needed(self) -> None:
        class Needless(Scripted):
            def prepare(self, run: Run) -> None:  # type: ignore[override]
                return None

        call = Needless()
        saga = advance(start(define(call)))

        assert (saga.state, saga.steps.get().outcome, call.keys) == ("completed", "not_needed", [])

    def test_what_cannot_be_undone_is_for_a_person(self) -> None:
        undo = Scripted(OperationRefusedError())
        saga = advance(start(define(Foreign(Scripted(), undo=undo), local(refusing(FraudBlockedError())))))

        assert (saga.state, order_of(saga).status) == ("failed_compensation", "needs_attention")
        assert SagaEvent.objects.filter(saga=saga, kind="failed_compensation").count() == 1

    def test_a_remedy_that_is_refused_is_for_a_person_and_leaves_the_order_alone(self) -> None:
        saga = advance(start(define(Scripted(OperationRefusedError()), is_remedy=True)))

        assert (saga.state, order_of(saga).status) == ("needs_attention", "processing")


class TestParking:
    def test_a_saga_that_parks_is_let_go_until_its_poll(self) -> None:
        saga = advance(start(define(local(lambda _run: Park("rain", MINUTE, 2 * MINUTE, Order.Status.IN_REVIEW)))))

        row: Any = SagaExecution.objects.annotate(now=Now()).get(pk=saga.pk)
        assert (row.state, row.waiting_for, row.lease_owner, order_of(saga).status) == (
            "waiting", "rain", "", "in_review",
        )  # fmt: skip
        assert row.next_run_at > row.now
        assert row.deadline_at is not None
        assert row.deadline_at > row.next_run_at
        assert not engine.advance_next(owner=WORKER)

    def test_a_saga_woken_between_its_look_and_its_parking_is_due_at_once(self) -> None:
        def wake_and_park(run: Run) -> Verdict:
            SagaExecution.objects.get(pk=run.saga.pk).wake()
            return Park("rain", MINUTE)

        saga = advance(start(define(local(wake_and_park))))

        row: Any = SagaExecution.objects.annotate(now=Now()).get(pk=saga.pk)
        assert (row.state, row.next_run_at <= row.now) == ("waiting", True)

    def test_the_deadline_stays_where_the_first_parking_put_it(self) -> None:
        saga = advance(start(define(local(lambda _run: Park("rain", MINUTE, MINUTE)))))
        deadline = saga.deadline_at

        saga = advance(saga)

        assert saga.deadline_at == deadline
        assert SagaEvent.objects.filter(saga=saga, kind="parked").count() == 1

    def test_after_its_deadline_a_step_finds_itself_overdue(self) -> None:
        def until_overdue(run: Run) -> Verdict:
            return None if run.is_overdue else Park("rain", MINUTE, MINUTE)

        saga = advance(start(define(local(until_overdue))))
        SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() - MINUTE)

        saga = advance(saga)

        assert (saga.state, saga.deadline_at, saga.waiting_for) == ("completed", None, "")

    def test_a_pause_that_was_spent_parked_is_not_spent_again(self) -> None:
        """Else a saga whose pauses have grown longer than a worker sleeps would park for ever and never send again."""
        call = Scripted(NetworkError(), DONE)
        saga = exchange(start(define(call)))
        assert (saga.state, saga.waiting_for) == ("waiting", "back_off")
        SagaStep.objects.filter(saga=saga).update(look_ups=6)

        saga = advance(saga)

        assert (saga.state, len(call.keys)) == ("completed", 2)

    def test_a_peer_that_asks_for_a_long_pause_gets_it(self) -> None:
        call = Scripted(RateLimitedError(retry_after=60), DONE)
        saga = advance(start(define(call)))

        row: Any = SagaExecution.objects.annotate(now=Now()).get(pk=saga.pk)
        assert (row.state, row.waiting_for) == ("waiting", "back_off")
        assert (row.next_run_at - row.now).total_seconds() >= 59

        assert advance(saga).state == "completed"

    def test_a_peer_that_asks_for_a_day_is_asked_again_within_a_quarter_of_an_hour(self) -> None:
        saga = advance(start(define(Scripted(RateLimitedError(retry_after=86_400), DONE))))

        row: Any = SagaExecution.objects.annotate(now=Now()).get(pk=saga.pk)
        assert 800 < (row.next_run_at - row.now).total_seconds() <= 900


class TestFaultsOfOurs:
    def test_a_crash_keeps_the_lease_until_it_lapses(self) -> None:
        def crash(_run: Run) -> Verdict:
            raise RuntimeError("a bug")

        saga = advance(start(define(local(crash))))

        assert (saga.state, saga.lease_owner) == ("running", WORKER)
        assert SagaEvent.objects.get(saga=saga, kind="crashed").reason == "RuntimeError"
        assert not engine.advance_next(owner="another")

    def test_a_saga_that_kills_worker_after_worker_goes_to_a_person(self) -> None:
        def crash(_run: Run) -> Verdict:
            raise RuntimeError("a bug")

        saga = start(define(local(crash)))
        for _ in range(engine.MAX_RECOVERIES + 2):
            saga = advance(saga)

        assert (saga.state, order_of(saga).status) == ("needs_attention", "needs_attention")
        assert SagaEvent.objects.filter(saga=saga, kind="crashed").count() == engine.MAX_RECOVERIES + 1
        assert not engine.advance(saga.pk, owner=WORKER)

    def test_a_saga_whose_context_makes_no_sense_goes_to_a_person_too(self) -> None:
        """What a broken upgrade leaves behind cannot be written again, and has to end all the same."""
        call = Scripted()
        saga = start(define(call), context={"who": "knows"})

        for _ in range(engine.MAX_RECOVERIES + 2):
            saga = advance(saga)

        assert (saga.state, saga.context, call.keys) == ("needs_attention", {"who": "knows"}, [])
        assert SagaEvent.objects.filter(saga=saga, kind="crashed").count() == engine.MAX_RECOVERIES + 1

    def test_a_step_that_is_done_forgives_the_deaths_before_it(self) -> None:
        saga = start(define(local(do_nothing), Scripted(DONE)), recoveries=3, lease_owner="dead")
        make_due(saga)

        assert advance(saga).recoveries == 0

    def test_an_answer_that_comes_after_the_lease_is_lost_is_dropped_and_wakes_the_saga(self) -> None:
        def lose_the_lease(run: Run) -> object:
            SagaExecution.objects.filter(pk=run.saga.pk).update(epoch=run.epoch + 1, lease_owner="another")
            return DONE

        call = Scripted(lose_the_lease)  # type: ignore[arg-type]
        saga = start(define(call))

        engine.advance(saga.pk, owner=WORKER)

        saga.refresh_from_db()
        assert (saga.wake_seq, saga.lease_owner, saga.steps.get().state) == (1, "another", "started")
        assert call.recorded == []

    def test_a_worker_told_to_stop_lets_the_saga_go(self) -> None:
        call = Scripted()
        saga = start(define(call))

        engine.advance(saga.pk, owner=WORKER, should_stop=lambda: True)

        saga.refresh_from_db()
        assert (saga.state, saga.lease_owner, call.keys) == ("running", "", [])
        assert engine.advance_next(owner="another")

    def test_what_a_step_began_but_never_sent_is_looked_up_before_it_is_sent_by_the_next_worker(self) -> None:
        call = Scripted()
        saga = start(define(call))
        engine.advance(saga.pk, owner=WORKER, should_stop=lambda: True)
        SagaStep.objects.filter(saga=saga).update(send_before=Now() - MINUTE)

        saga = advance(saga)

        assert (saga.state, call.look_ups, call.keys) == (
            "completed", 1, [f"{saga.public_id}:scripted_call:do:0"],
        )  # fmt: skip


class TestTheDatabase:
    class DeadlockDetected(Exception):
        sqlstate = "40P01"

    def fail(self, times: int, cause: Exception) -> Callable[[Run], Verdict]:
        """A step whose transaction the database breaks off so often."""
        left = [None] * times

        def step(run: Run) -> Verdict:
            Order.objects.filter(pk=run.saga.order_id).update(checkout_number=F("checkout_number") + 1)
            if left:
                left.pop()
                raise OperationalError("broken off") from cause
            return None

        return step

    def test_a_deadlock_is_run_again_and_counts_once(self) -> None:
        saga = advance(start(define(local(self.fail(2, self.DeadlockDetected())), Scripted())))

        assert (saga.state, order_of(saga).checkout_number) == ("completed", 1)
        assert saga.steps.count() == 2

    def test_a_database_that_is_gone_leaves_the_saga_to_whoever_comes_after_the_lease(self) -> None:
        saga = start(define(local(self.fail(1, ConnectionError()))))

        with pytest.raises(OperationalError):
            engine.advance(saga.pk, owner=WORKER)

        saga.refresh_from_db()
        assert (saga.state, saga.lease_owner, order_of(saga).checkout_number) == ("running", WORKER, 0)
        assert advance(saga).state == "completed"


def test_every_error_a_saga_can_end_with_is_kept_with_its_code() -> None:
    class OddError(DomainError):
        """Something odd."""

        code = "out_of_stock"

    saga = advance(start(define(local(refusing(OddError("How odd."))))))

    assert saga.failure == {"code": "out_of_stock", "detail": "How odd.", "retriable": False}
