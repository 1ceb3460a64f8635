"""The switch that stops all captures: nothing is begun after it, what was sent is finished, and all goes on later."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any, TypeVar

import pytest
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from orders.errors import InvalidTransition
from orders.models import Order
from payments import captures
from payments.models import CaptureStop, ChargeAttempt, SagaExecution, SagaStep
from payments.sagas import engine
from tests.orders.builders import make_client, make_order
from tests.payments.builders import (
    WORKER,
    Api,
    advance,
    begin_checkout,
    charge_of,
    exchange,
    make_due,
    order_of,
    run_checkout,
    step_of,
)
from tests.payments.sagas.evidence import assert_nothing_was_taken, effective, journal, overdue
from tests.sandbox import Sandbox

Result = TypeVar("Result")

WHY = "The gateway charges twice."


def stop() -> CaptureStop:
    return captures.stop_captures(by="a test", reason=WHY)


def resume() -> int:
    return captures.resume_captures(by="a test", reason="They have mended it.")


@pytest.mark.django_db
class TestWaiting:
    def test_a_checkout_parks_before_its_capture(self, sandbox: Sandbox) -> None:
        stop()

        saga = run_checkout()

        assert (saga.state, saga.waiting_for, order_of(saga).status) == ("waiting", "captures_stopped", "processing")
        assert (charge_of(saga).status, effective(sandbox, saga)) == ("authorized", ["authorize"])

    def test_its_client_is_told_to_come_back_and_later_what_became_of_it(self, sandbox: Sandbox) -> None:
        stop()
        api = Api()
        order = api.order()

        first = api.checkout(order, key="once")

        assert (first.status_code, first.json()["charge"]["status"]) == (202, "authorized")
        resume()
        advance(SagaExecution.objects.get(order=order))
        assert api.checkout(order, key="once").status_code == 201

    def test_it_waits_until_an_hour_before_the_authorization_expires(self, sandbox: Sandbox) -> None:
        stop()

        saga = run_checkout()

        expires_at = charge_of(saga).authorization_expires_at
        assert expires_at is not None
        assert saga.deadline_at is not None
        assert abs(expires_at - timedelta(hours=1) - saga.deadline_at) < timedelta(seconds=1)

    def test_it_is_looked_at_again_and_goes_on_waiting(self, sandbox: Sandbox) -> None:
        stop()

        saga = advance(advance(run_checkout()))

        assert (saga.waiting_for, saga.events.filter(kind="parked").count()) == ("captures_stopped", 1)
        assert journal(sandbox, saga, "capture", "look_up") == []

    @pytest.mark.parametrize("policy", ["void", "capture"])
    def test_when_the_authorization_is_about_to_expire_it_is_voided_whatever_the_policy(
        self, sandbox: Sandbox, settings: Any, policy: str
    ) -> None:
        settings.AUTHORIZATION_EXPIRY_POLICY = policy
        stop()

        saga = advance(overdue(run_checkout()))

        assert (saga.failure["code"], effective(sandbox, saga)) == ("authorization_expired", ["authorize", "void"])
        assert_nothing_was_taken(sandbox, saga)

    def test_the_client_is_told_so_for_good(self, sandbox: Sandbox) -> None:
        stop()
        api = Api()
        order = api.order()
        api.checkout(order, key="once")
        advance(overdue(SagaExecution.objects.get(order=order)))

        answer = api.checkout(order, key="once")

        assert (answer.status_code, answer.json()["code"]) == (402, "authorization_expired")

    def test_an_authorization_that_has_lost_its_time_is_voided_whatever_the_saga_has_noted(
        self, sandbox: Sandbox
    ) -> None:
        stop()
        saga = run_checkout()
        ChargeAttempt.objects.filter(saga=saga).update(authorization_expires_at=Now() + timedelta(minutes=30))

        saga = advance(saga)

        assert (saga.failure["code"], effective(sandbox, saga)) == ("authorization_expired", ["authorize", "void"])

    def test_a_cancellation_is_heard_meanwhile(self, sandbox: Sandbox) -> None:
        stop()
        saga = run_checkout()
        Order.objects.filter(pk=saga.order_id).update(cancel_requested_at=Now())

        saga = advance(saga)

        assert_nothing_was_taken(sandbox, saga, "cancelled")

    def test_money_goes_back_meanwhile(self, sandbox: Sandbox) -> None:
        api = Api()
        order = api.order()
        charge = api.checkout(order).json()["charge"]["id"]
        stop()

        assert api.post(f"charges/{charge}/refunds", {"reason": "Came broken."}).status_code == 201


@pytest.mark.django_db
class TestRepeatedSends:
    def never_sent(self, sandbox: Sandbox) -> SagaExecution:
        """A capture that was begun, and has certainly not happened."""
        saga = begin_checkout(make_order())
        sandbox.fault("status_429", operation="capture", times=1)
        saga = exchange(saga, times=2)
        assert (saga.waiting_for, step_of(saga, "capture_payment").attempts) == ("back_off", 1)
        return saga

    def test_what_has_not_happened_is_not_sent_again(self, sandbox: Sandbox) -> None:
        saga = self.never_sent(sandbox)
        stop()

        saga = advance(saga)

        assert (saga.waiting_for, step_of(saga, "capture_payment").attempts) == ("captures_stopped", 1)
        assert len(journal(sandbox, saga, "capture")) == 1

    def test_it_is_sent_with_its_key_once_captures_go_on(self, sandbox: Sandbox) -> None:
        saga = self.never_sent(sandbox)
        key = step_of(saga, "capture_payment").key
        stop()
        advance(saga)
        resume()

        saga = advance(saga)

        assert saga.state == "completed"
        assert [entry["idempotency_key"] for entry in journal(sandbox, saga, "capture")] == [key, key]

    def test_what_becomes_unknown_after_that_waits_as_unknown(self, sandbox: Sandbox) -> None:
        saga = self.never_sent(sandbox)
        stop()
        advance(saga)
        resume()
        sandbox.fault("drop_after", operation="capture", times=1)

        saga = self.lose_the_answer(saga, sandbox)

        assert saga.waiting_for == "unknown_outcome"
        assert saga.deadline_at is not None
        assert saga.deadline_at - saga.created_at < timedelta(hours=25)
        sandbox.clear_faults()
        saga = advance(saga)
        assert (saga.state, effective(sandbox, saga)) == ("completed", ["authorize", "capture", "ship"])

    def lose_the_answer(self, saga: SagaExecution, sandbox: Sandbox) -> SagaExecution:
        """Nobody can be asked. What was certainly never sent is sent all the same, and then its answer is lost."""
        sandbox.fault("status_500", operation="look_up")
        return exchange(saga, times=3)

    def test_an_authorization_about_to_expire_is_voided(self, sandbox: Sandbox) -> None:
        saga = self.never_sent(sandbox)
        stop()

        saga = advance(overdue(advance(saga)))

        assert (saga.failure["code"], effective(sandbox, saga)) == ("authorization_expired", ["authorize", "void"])
        assert_nothing_was_taken(sandbox, saga)

    def test_a_capture_that_was_sent_is_finished(self, sandbox: Sandbox) -> None:
        saga = begin_checkout(make_order())
        sandbox.fault("drop_after", operation="capture", times=1)
        sandbox.fault("status_500", operation="look_up")
        saga = exchange(saga, times=2)
        assert saga.waiting_for == "unknown_outcome"
        sandbox.clear_faults()
        stop()

        saga = advance(saga)

        assert (saga.state, effective(sandbox, saga)) == ("completed", ["authorize", "capture", "ship"])


@pytest.mark.django_db
class TestTheSwitch:
    def test_who_stopped_them_when_and_why_is_kept_and_so_is_who_let_them_go_on(self) -> None:
        stop()
        resume()

        row = CaptureStop.objects.get()
        assert (row.stopped_by, row.reason) == ("a test", WHY)
        assert (row.is_over, row.resumed_by, row.resumed_because) == (True, "a test", "They have mended it.")
        assert row.resumed_at is not None

    def test_a_user_is_in_the_log_of_what_people_did(self) -> None:
        user = make_client()

        captures.stop_captures(by=user, reason=WHY)
        captures.resume_captures(by=user, reason="Mended.")

        entries = LogEntry.objects.filter(user=user).order_by("pk")
        assert [entry.get_change_message() for entry in entries] == [
            f"Stopped all captures: {WHY}", "Let captures go on: Mended.",
        ]  # fmt: skip

    def test_stopped_is_stopped_once_and_only_what_is_stopped_goes_on(self) -> None:
        with pytest.raises(InvalidTransition):
            resume()
        stop()
        with pytest.raises(InvalidTransition, match=WHY):
            stop()

        assert CaptureStop.objects.count() == 1

    def test_the_database_holds_one_stop_at_a_time(self) -> None:
        stop()

        with pytest.raises(IntegrityError), transaction.atomic():
            CaptureStop.objects.create(stopped_by="another", reason=WHY)

    def test_going_on_wakes_all_that_wait_within_some_seconds_and_nobody_else(self, sandbox: Sandbox) -> None:
        in_review = run_checkout(payment_method="tok_avs_partial")
        stop()
        waiting = [run_checkout(make_order()) for _ in range(3)]

        assert resume() == 3

        rows: Any = SagaExecution.objects.filter(pk__in=[saga.pk for saga in waiting]).annotate(now=Now())
        assert all(timedelta(0) <= row.next_run_at - row.now + timedelta(seconds=1) for row in rows)
        assert all(row.next_run_at - row.now <= captures.SPREAD for row in rows)
        assert len({row.next_run_at for row in rows}) == 3
        in_review.refresh_from_db()
        assert in_review.wake_seq == 0
        assert {advance(saga).state for saga in waiting} == {"completed"}


def in_another_connection(do: Callable[[], Result]) -> Future[Result]:
    def work() -> Result:
        try:
            return do()
        finally:
            connection.close()

    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future


def look() -> CaptureStop | None:
    """What a commit that begins a capture does."""
    with transaction.atomic():
        return CaptureStop.objects.hold()


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_a_stop_waits_for_the_start_that_has_seen_none(self) -> None:
        with transaction.atomic():
            assert CaptureStop.objects.hold() is None
            stopping = in_another_connection(stop)
            with pytest.raises(TimeoutError):
                stopping.result(timeout=0.5)
            assert CaptureStop.objects.in_force() is None

        assert stopping.result(timeout=10) == CaptureStop.objects.in_force()

    def test_a_start_that_comes_while_they_are_being_stopped_waits_and_sees_it(self) -> None:
        with transaction.atomic():
            stop()
            starting = in_another_connection(look)
            with pytest.raises(TimeoutError):
                starting.result(timeout=0.5)

        assert starting.result(timeout=10) == CaptureStop.objects.in_force()

    def test_a_start_that_comes_while_they_are_let_go_on_waits_and_goes_on(self) -> None:
        stop()
        with transaction.atomic():
            resume()
            starting = in_another_connection(look)
            with pytest.raises(TimeoutError):
                starting.result(timeout=0.5)

        assert starting.result(timeout=10) is None

    def test_starts_do_not_wait_for_each_other(self) -> None:
        if connection.vendor == "sqlite":
            pytest.skip("one transaction writes at a time there")

        with transaction.atomic():
            CaptureStop.objects.hold()
            assert in_another_connection(look).result(timeout=10) is None

    def test_whatever_is_under_way_no_capture_is_begun_after_the_stop(self, sandbox: Sandbox) -> None:
        client = make_client()
        sagas = [begin_checkout(make_order(client)) for _ in range(8)]
        begun = Event()

        def work(mine: list[SagaExecution]) -> None:
            try:
                for saga in mine:
                    engine.advance(saga.pk, owner=WORKER)
                    begun.set()
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            working = [pool.submit(work, sagas[start::4]) for start in range(4)]
            assert begun.wait(timeout=20)
            stop()
            started = set(SagaStep.objects.filter(name="capture_payment").values_list("pk", flat=True))
            for future in working:
                future.result(timeout=30)

        assert set(SagaStep.objects.filter(name="capture_payment").values_list("pk", flat=True)) == started
        states = {saga.pk: self.state_of(saga) for saga in sagas}
        assert set(states.values()) <= {("completed", ""), ("waiting", "captures_stopped")}
        resume()
        for saga in sagas:
            make_due(saga)
            engine.advance(saga.pk, owner=WORKER)
        assert {self.state_of(saga) for saga in sagas} == {("completed", "")}

    def state_of(self, saga: SagaExecution) -> tuple[str, str]:
        saga.refresh_from_db()
        return saga.state, saga.waiting_for
