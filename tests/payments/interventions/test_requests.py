"""Who may ask for what, with which epoch, and what is refused before anything is done."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.db.models.functions import Now
from pytest_django import Settings

from orders.errors import DomainError
from payments.errors import InterventionNotPossibleError, LeaseLostError, StaleSagaError
from payments.interventions import offers, requests
from payments.interventions.actions import ACTIONS
from payments.interventions.standing import read
from payments.models import SagaEvent, SagaExecution, SagaIntervention
from payments.sagas import engine, leases
from tests.config.builders import make_user
from tests.orders.builders import make_client, make_order
from tests.payments.builders import WORKER, advance, begin_checkout, exchange, make_due, run_checkout
from tests.payments.interventions.builders import (
    REASON,
    approve,
    ask_for,
    everything,
    failed_refund,
    make_operator,
    possible,
    stopped_unknown,
)
from tests.payments.sagas.builders import define, local, start
from tests.sandbox import Sandbox

LARGE = 100_000


def large_failure() -> SagaExecution:
    return failed_refund(make_order(quantity=1, unit_amount_minor=LARGE, postal_code="99999"))


@pytest.mark.django_db
class TestWhoMay:
    @pytest.mark.parametrize("action", list(ACTIONS))
    def test_each_action_has_a_permission_without_which_it_is_refused(self, sandbox: Sandbox, action: str) -> None:
        saga = failed_refund()
        others = {each.permission for each in ACTIONS.values()} - {ACTIONS[action].permission}
        person = make_user("somebody", "orders.access_all_clients", *others)
        before = everything(saga)

        with pytest.raises(PermissionDenied):
            ask_for(saga, action, by=person)

        assert everything(saga) == before
        assert not SagaIntervention.objects.exists()
        assert action not in possible(saga, by=person)

    def test_operators_may_do_all_of_it_and_nobody_else_anything(self) -> None:
        needed = {*offers.permissions(), "payments.approve_intervention"}

        assert make_client(group="Operator").has_perms(needed)
        for group in ("API client", "Fraud analyst", "Finance", "Auditor"):
            person = make_client(group=group)
            assert not [name for name in needed if person.has_perm(name)]

    @pytest.mark.parametrize("group", ["Operator", "Auditor"])
    def test_operators_and_auditors_see_what_was_done(self, group: str) -> None:
        assert make_client(group=group).has_perm("payments.view_sagaintervention")


@pytest.mark.django_db
class TestWhatIsRefused:
    @pytest.mark.parametrize("reason", ["", "  \n "])
    def test_what_has_no_reason(self, sandbox: Sandbox, reason: str) -> None:
        saga = failed_refund()
        before = everything(saga)

        with pytest.raises(InterventionNotPossibleError, match="reason"):
            ask_for(saga, "retry", reason=reason)

        assert everything(saga) == before

    @pytest.mark.parametrize("action", ["retry", "look_up", "mark_compensated"])
    @pytest.mark.parametrize("difference", [-1, 1])
    def test_what_was_seen_at_another_epoch(self, sandbox: Sandbox, action: str, difference: int) -> None:
        saga = failed_refund()
        before = everything(saga)
        given: dict[str, Any] = {"evidence": "bank-1"} if action == "mark_compensated" else {}

        with pytest.raises(StaleSagaError):
            ask_for(saga, action, epoch=saga.epoch + difference, **given)

        assert everything(saga) == before
        assert not SagaIntervention.objects.exists()

    @pytest.mark.parametrize(
        ("action", "given"),
        [
            ("retry", {"evidence": "bank-1"}),
            ("mark_compensated", {}),
            ("mark_compensated", {"evidence": "bank-1", "result": "succeeded"}),
            ("mark_compensated", {"evidence": "x" * 129}),
            ("resolve_unknown", {"evidence": "x", "result": "perhaps"}),
            ("mark_compensated", {"evidence": "4242 4242 4242 4242"}),
        ],
    )
    def test_what_is_given_with_it_and_makes_no_sense(self, sandbox: Sandbox, action: str, given: Any) -> None:
        saga = failed_refund()
        before = everything(saga)

        with pytest.raises(InterventionNotPossibleError):
            ask_for(saga, action, **given)

        assert everything(saga) == before

    def test_whatever_a_worker_is_about_but_a_pause(self) -> None:
        saga = start(define(local(lambda _run: None)))
        leases.claim(saga.pk, owner=WORKER)

        assert possible(saga) == {"pause"}
        with pytest.raises(InterventionNotPossibleError, match="worker"):
            ask_for(saga, "look_up")

    def test_a_saga_of_a_version_that_is_not_known_here(self) -> None:
        saga = start(define(local(lambda _run: None)), version=7)

        assert possible(saga) == set()
        with pytest.raises(InterventionNotPossibleError, match="does not know"):
            ask_for(saga, "pause")

    def test_a_card_number_in_a_reason_is_masked(self, sandbox: Sandbox) -> None:
        row = ask_for(failed_refund(), "retry", reason="Card 4242424242424242 was replaced.")

        assert row.reason == "Card [card ****4242] was replaced."
        assert SagaEvent.objects.get(kind="retried").reason == row.reason


@pytest.mark.django_db
class TestLargeAmounts:
    @pytest.mark.parametrize("action", ["retry", "mark_compensated"])
    def test_wait_for_a_second_person_and_change_nothing_until_then(self, sandbox: Sandbox, action: str) -> None:
        saga = large_failure()
        before = everything(saga)
        given: dict[str, Any] = {"evidence": "bank-1"} if action == "mark_compensated" else {}

        row = ask_for(saga, action, **given)

        assert (row.state, row.needs_approval, row.is_forced) == (
            "awaiting_approval", True, action == "mark_compensated",
        )  # fmt: skip
        assert everything(saga) == before
        assert saga.events.get(kind="intervention_requested").actor == row.requested_by.username
        approve(row)
        assert everything(saga) != before

    def test_begin_where_the_setting_says(self, sandbox: Sandbox, settings: Settings) -> None:
        saga = failed_refund()
        settings.SECOND_PERSON_AMOUNT = 25_00
        assert ask_for(saga, "retry").needs_approval

        settings.SECOND_PERSON_AMOUNT = 25_01
        assert not ask_for(failed_refund(), "retry").needs_approval

    @pytest.mark.parametrize("action", ["pause", "look_up"])
    def test_need_nobody_else_where_no_harm_can_be_done(self, sandbox: Sandbox, action: str) -> None:
        order = make_order(quantity=1, unit_amount_minor=LARGE, billing={"country": "DE", "postal_code": "1"})
        saga = run_checkout(order)

        assert ask_for(saga, action).state == "applied"

    def test_one_request_waits_at_a_time(self, sandbox: Sandbox) -> None:
        saga = large_failure()
        ask_for(saga, "retry")

        with pytest.raises(InterventionNotPossibleError, match="awaits approval"):
            ask_for(saga, "mark_compensated", evidence="bank-1")

        assert SagaIntervention.objects.count() == 1

    def test_what_waits_is_stale_once_the_saga_has_moved_on(self, sandbox: Sandbox) -> None:
        saga = large_failure()
        first = ask_for(saga, "retry")
        SagaExecution.objects.filter(pk=saga.pk).update(epoch=saga.epoch + 1, moved_epoch=saga.epoch + 1)

        second = ask_for(saga, "mark_compensated", evidence="bank-1")

        first.refresh_from_db()
        assert (first.state, second.state) == ("stale", "awaiting_approval")

    def test_what_waits_is_stale_once_somebody_has_done_something_else(self, sandbox: Sandbox) -> None:
        saga = failed_refund()
        waiting = ask_for(saga, "mark_compensated", evidence="bank-1")

        ask_for(saga, "retry")

        waiting.refresh_from_db()
        assert (waiting.state, waiting.decided_by) == ("stale", None)
        assert saga.events.get(kind="intervention_stale").after["intervention"] == waiting.public_id

    def test_a_look_leaves_what_waits_as_it_is(self, sandbox: Sandbox) -> None:
        saga = failed_refund()
        waiting = ask_for(saga, "mark_compensated", evidence="bank-1")

        ask_for(saga, "look_up")

        assert approve(waiting).state == "applied"


@pytest.mark.django_db
def test_what_staff_did_is_in_the_trail_of_the_admin(sandbox: Sandbox) -> None:
    saga = failed_refund()
    row = ask_for(saga, "retry")

    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (row.requested_by, str(saga.pk))
    assert entry.get_change_message() == f"Try again: {REASON}"


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def act(self, *tries: Any) -> list[str]:
        """What becomes of each, when all of them begin at the same moment."""
        barrier = Barrier(len(tries))

        def one(attempt: Any) -> str:
            barrier.wait()
            try:
                return str(attempt().state)
            except (DomainError, LeaseLostError) as error:
                return error.code
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(tries)) as pool:
            return sorted(pool.map(one, tries))

    @pytest.mark.parametrize("second", ["retry", "pause"])
    def test_two_people_get_one_action(self, sandbox: Sandbox, second: str) -> None:
        saga = stopped_unknown(sandbox, "capture")
        if second == "pause":
            ask_for(saga, "retry")
        people = make_operator(), make_operator()
        facts: dict[str, Any] = {"reason": REASON, "epoch": saga.epoch}
        first = "retry" if second == "retry" else "pause"

        done = self.act(
            lambda: requests.request(saga, action=first, by=people[0], **facts),
            lambda: requests.request(saga, action=second, by=people[1], **facts),
        )

        assert done == ["applied", "saga_moved_on"]
        assert SagaIntervention.objects.filter(action=first, state="applied").count() == 1
        saga.refresh_from_db()
        assert saga.epoch == facts["epoch"] + 1

    def test_two_people_who_ask_for_something_forced_get_one_request(self, sandbox: Sandbox) -> None:
        saga, people = failed_refund(), (make_operator(), make_operator())
        facts: dict[str, Any] = {"reason": REASON, "epoch": saga.epoch, "evidence": "bank-1"}

        done = self.act(
            lambda: requests.request(saga, action="mark_compensated", by=people[0], **facts),
            lambda: requests.request(saga, action="mark_compensated", by=people[1], **facts),
        )

        assert done == ["awaiting_approval", "intervention_not_possible"]

    def test_a_person_and_a_worker_do_not_both_have_it(self, sandbox: Sandbox) -> None:
        saga = begin_checkout(make_order())
        epoch = saga.epoch
        person = make_operator()

        def work() -> Any:
            engine.advance(saga.pk, owner=WORKER)
            return SagaExecution.objects.get(pk=saga.pk)

        def pause() -> Any:
            return requests.request(saga, action="pause", by=person, reason=REASON, epoch=epoch)

        done = self.act(work, pause)

        saga.refresh_from_db()
        assert (saga.is_paused, done) in [
            (True, ["applied", "pending"]),  # the person was first
            (True, ["applied", "running"]),  # the worker had claimed it, and nothing had come of that yet: it is fenced
            (False, ["completed", "saga_moved_on"]),
        ]


@pytest.mark.django_db
def test_a_saga_read_for_its_standing_takes_few_queries(sandbox: Sandbox, django_assert_max_num_queries: Any) -> None:
    saga, operator = failed_refund(), make_operator()
    offers.possible(read(saga.pk), operator.has_perm)

    with django_assert_max_num_queries(7):
        offers.possible(read(saga.pk), operator.has_perm)


@pytest.mark.django_db
def test_what_is_set_going_with_a_delay_begins_later(sandbox: Sandbox) -> None:
    saga = failed_refund()
    ask_for(saga, "retry", delay=timedelta(minutes=1))

    row: Any = SagaExecution.objects.annotate(now=Now()).get(pk=saga.pk)
    assert row.next_run_at > row.now
    assert leases.claim_next(owner=WORKER) is None
    make_due(saga)
    assert advance(saga).state == "failed_compensation"


@pytest.mark.django_db
class TestASagaThatIsOnlyAskedAbout:
    """Every few seconds a worker asks once more what became of it, and goes away with nothing new."""

    @pytest.fixture
    def waiting(self, sandbox: Sandbox) -> SagaExecution:
        saga = exchange(begin_checkout(make_order(), "tok_3ds"))
        assert saga.waiting_for == "customer_action"
        return saga

    def test_is_paused_as_it_was_seen(self, waiting: SagaExecution) -> None:
        seen = waiting.epoch
        asked_again(waiting)

        row = ask_for(waiting, "pause", epoch=seen)

        assert (row.state, waiting.is_paused, waiting.epoch > seen + 1) == ("applied", True, True)

    def test_is_undone_as_two_people_saw_it(self, waiting: SagaExecution, settings: Settings) -> None:
        settings.SECOND_PERSON_AMOUNT = 1
        row = ask_for(waiting, "compensate")
        asked_again(waiting)

        assert approve(row).state == "applied"
        assert advance(waiting).state == "compensated"

    def test_gets_one_of_two_actions_of_those_who_saw_it_at_different_times(self, waiting: SagaExecution) -> None:
        seen = waiting.epoch
        later = asked_again(waiting).epoch
        ask_for(waiting, "pause", epoch=seen)

        with pytest.raises(StaleSagaError):
            ask_for(waiting, "compensate", epoch=later)

    def test_that_has_come_to_something_meanwhile_is_not_as_it_was_seen(
        self, waiting: SagaExecution, sandbox: Sandbox
    ) -> None:
        seen = waiting.epoch
        SagaExecution.objects.filter(pk=waiting.pk).update(deadline_at=Now() - timedelta(hours=1))
        assert advance(waiting).state == "compensated"

        with pytest.raises((StaleSagaError, InterventionNotPossibleError)):
            ask_for(waiting, "pause", epoch=seen)

    def test_cannot_be_approved_while_a_worker_is_at_it_and_waits_on(
        self, waiting: SagaExecution, settings: Settings
    ) -> None:
        settings.SECOND_PERSON_AMOUNT = 1
        row = ask_for(waiting, "compensate")
        make_due(waiting)
        assert leases.claim(waiting.pk, owner=WORKER)

        with pytest.raises(InterventionNotPossibleError, match="worker is at it"):
            approve(row)

        row.refresh_from_db()
        assert row.state == "awaiting_approval"


def asked_again(saga: SagaExecution) -> SagaExecution:
    before = saga.epoch
    saga = advance(saga)
    assert (saga.state, saga.epoch) == ("waiting", before + 1)
    return saga
