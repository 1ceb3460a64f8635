"""Two people: nobody approves what they have asked for, and nothing is done to a saga that has moved on."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import PermissionDenied
from django.db import connections

from orders.errors import DomainError
from payments.errors import InterventionNotPossibleError
from payments.interventions import approvals
from payments.models import ChargeAttempt, Refund, SagaEvent, SagaExecution, SagaIntervention
from tests.config.builders import make_user
from tests.payments.builders import advance
from tests.payments.interventions.builders import ask_for, everything, failed_refund, make_operator
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def saga(sandbox: Sandbox) -> SagaExecution:
    return failed_refund()


@pytest.fixture
def row(saga: SagaExecution) -> SagaIntervention:
    """Somebody's request that waits for another."""
    return ask_for(saga, "mark_compensated", evidence="bank-1")


def test_whoever_asked_does_not_decide(saga: SagaExecution, row: SagaIntervention) -> None:
    before = everything(saga)

    for decide in (approvals.approve, approvals.refuse):
        with pytest.raises(InterventionNotPossibleError, match="second person"):
            decide(row, by=row.requested_by, note="I agree with myself.")

    row.refresh_from_db()
    assert (row.state, everything(saga)) == ("awaiting_approval", before)


def test_not_even_a_superuser_decides_about_their_own(saga: SagaExecution) -> None:
    boss = make_user("boss")
    boss.is_superuser = True
    boss.save()
    row = ask_for(saga, "mark_compensated", by=boss, evidence="bank-1")

    with pytest.raises(InterventionNotPossibleError, match="second person"):
        approvals.approve(row, by=boss, note="Agreed.")


@pytest.mark.parametrize(
    "permissions", [(), ("payments.approve_intervention",), ("payments.mark_compensated",)], ids=str
)
def test_who_approves_may_approve_and_may_do_the_action(
    saga: SagaExecution, row: SagaIntervention, permissions: tuple[str, ...]
) -> None:
    person = make_user("somebody", "orders.access_all_clients", *permissions)
    before = everything(saga)

    for decide in (approvals.approve, approvals.refuse):
        with pytest.raises(PermissionDenied):
            decide(row, by=person, note="Agreed.")

    row.refresh_from_db()
    assert (row.state, everything(saga)) == ("awaiting_approval", before)
    assert not approvals.may_decide(row, person)


def test_without_a_note_nothing_is_decided(row: SagaIntervention) -> None:
    for decide in (approvals.approve, approvals.refuse):
        with pytest.raises(InterventionNotPossibleError, match="note"):
            decide(row, by=make_operator(), note=" ")


def test_approved_it_is_done_and_the_history_names_both(saga: SagaExecution, row: SagaIntervention) -> None:
    second = make_operator()

    approvals.approve(row, by=second, note="Saw the bank statement.")

    event = SagaEvent.objects.get(saga=saga, kind="marked_compensated")
    assert (event.actor, event.after["approved_by"], event.after["note"]) == (
        row.requested_by.username, second.username, "Saw the bank statement.",
    )  # fmt: skip
    row.refresh_from_db()
    assert (row.state, row.decided_by, row.decided_at is not None) == ("applied", second, True)
    saga.refresh_from_db()
    assert (saga.epoch, saga.has_persons_word) == (row.epoch + 1, True)


def test_refused_it_is_not_done_and_another_may_be_asked_for(saga: SagaExecution, row: SagaIntervention) -> None:
    before, second = everything(saga), make_operator()

    refused = approvals.refuse(row, by=second, note="No such transfer.")

    assert (refused.state, refused.decision_note, everything(saga)) == ("refused", "No such transfer.", before)
    event = SagaEvent.objects.get(saga=saga, kind="intervention_refused")
    assert (event.actor, event.reason) == (second.username, "No such transfer.")
    assert LogEntry.objects.filter(user=second).count() == 1
    assert ask_for(saga, "mark_compensated", evidence="bank-2").state == "awaiting_approval"


def test_whoever_asked_takes_it_back_and_another_may_be_asked_for(saga: SagaExecution, row: SagaIntervention) -> None:
    before, first = everything(saga), row.requested_by

    for note in ("", " "):
        with pytest.raises(InterventionNotPossibleError, match="note is needed"):
            approvals.withdraw(row, by=first, note=note)
    with pytest.raises(PermissionDenied):
        approvals.withdraw(row, by=make_operator(), note="Not mine.")
    withdrawn = approvals.withdraw(row, by=first, note="The wrong transfer.")

    assert (withdrawn.state, withdrawn.decided_by, everything(saga)) == ("withdrawn", None, before)
    event = SagaEvent.objects.get(saga=saga, kind="intervention_withdrawn")
    assert (event.actor, event.reason) == (first.username, "The wrong transfer.")
    with pytest.raises(InterventionNotPossibleError, match="decided already: withdrawn"):
        approvals.approve(row, by=make_operator(), note="Agreed.")
    assert ask_for(saga, "mark_compensated", evidence="bank-2").state == "awaiting_approval"


def test_a_saga_that_has_moved_on_makes_it_stale(saga: SagaExecution, row: SagaIntervention) -> None:
    SagaExecution.objects.filter(pk=saga.pk).update(epoch=saga.epoch + 1, moved_epoch=saga.epoch + 1)
    before = everything(saga)

    assert approvals.approve(row, by=make_operator(), note="Agreed.").state == "stale"

    assert everything(saga) == before
    assert SagaEvent.objects.filter(saga=saga, kind="intervention_stale").exists()


def test_what_is_not_possible_any_more_makes_it_stale_at_the_same_epoch(
    saga: SagaExecution, row: SagaIntervention
) -> None:
    SagaExecution.objects.filter(pk=saga.pk).update(state="compensated")
    before = everything(saga)

    assert approvals.approve(row, by=make_operator(), note="Agreed.").state == "stale"

    assert everything(saga) == before


def test_money_that_went_back_meanwhile_is_not_booked_twice(saga: SagaExecution, row: SagaIntervention) -> None:
    """Without a new epoch: a webhook of a saga that stands still has told it."""
    Refund.objects.filter(saga=saga).update(status="succeeded")
    ChargeAttempt.objects.filter(saga=saga).update(refunded_minor=25_00)
    before = everything(saga)

    approvals.approve(row, by=make_operator(), note="Agreed.")

    after = everything(saga)
    assert (after["ledger"], after["charges"], after["refunds"]) == (
        before["ledger"], before["charges"], before["refunds"],
    )  # fmt: skip


@pytest.mark.parametrize("first", [approvals.approve, approvals.refuse])
@pytest.mark.parametrize("second", [approvals.approve, approvals.refuse])
def test_the_first_decision_stands(row: SagaIntervention, first: object, second: object) -> None:
    first(row, by=make_operator(), note="First.")  # type: ignore[operator]

    with pytest.raises(InterventionNotPossibleError, match="decided already"):
        second(row, by=make_operator(), note="Second.")  # type: ignore[operator]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_one_does(sandbox: Sandbox) -> None:
    saga = failed_refund()
    row = ask_for(saga, "mark_compensated", evidence="bank-1")
    people, barrier = [make_operator(), make_operator(), make_operator()], Barrier(3)

    def decide(number: int) -> str:
        barrier.wait()
        try:
            choice = approvals.refuse if number == 2 else approvals.approve
            return str(choice(row, by=people[number], note="Now.").state)
        except DomainError as error:
            return error.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        done = sorted(pool.map(decide, range(3)))

    assert done in (
        ["applied", "intervention_not_possible", "intervention_not_possible"],
        ["intervention_not_possible", "intervention_not_possible", "refused"],
    )
    assert Refund.objects.get().status == ("succeeded" if "applied" in done else "failed")
    if "applied" in done:
        assert advance(saga).state == "resolved"
