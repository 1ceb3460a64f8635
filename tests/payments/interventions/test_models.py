"""The database holds the last line of what two people are for."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from payments.models import SagaIntervention
from tests.orders.builders import make_order
from tests.payments.builders import begin_checkout
from tests.payments.interventions.builders import make_operator

pytestmark = pytest.mark.django_db

Action = SagaIntervention.Action


def make_row(**fields: Any) -> SagaIntervention:
    facts = {"action": "retry", "reason": "Because.", "epoch": 1, "state": "applied", **fields}
    facts.setdefault("requested_by", make_operator())
    saga = facts.pop("saga", None) or begin_checkout(make_order())
    return SagaIntervention.objects.create(saga=saga, **facts)


def make_request(**fields: Any) -> SagaIntervention:
    return make_row(**{"state": "awaiting_approval", "needs_approval": True, **fields})


def refused(write: Callable[[], object], constraint: str) -> None:
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        write()
    # SQLite names the columns of a unique index instead of the constraint.
    assert constraint in str(refusal.value) or "UNIQUE constraint failed" in str(refusal.value)


@pytest.mark.parametrize("state", ["applied", "refused", "stale"])
def test_nobody_decides_about_what_they_have_asked_for(state: str) -> None:
    row = make_request()

    refused(
        lambda: SagaIntervention.objects.filter(pk=row.pk).update(state=state, decided_by=row.requested_by),
        "intervention_decided_by_another",
    )


def test_nothing_that_needs_approval_is_applied_without_it() -> None:
    row = make_request()

    refused(
        lambda: SagaIntervention.objects.filter(pk=row.pk).update(state="applied"), "applied_intervention_is_approved"
    )
    refused(lambda: make_row(needs_approval=True), "applied_intervention_is_approved")


@pytest.mark.parametrize("action", ["skip", "mark_compensated", "force_complete", "force_fail"])
def test_what_is_forced_always_needs_approval(action: str) -> None:
    refused(lambda: make_row(action=action, needs_approval=False), "forced_intervention_needs_approval")

    row = make_request(action=action)
    refused(
        lambda: SagaIntervention.objects.filter(pk=row.pk).update(needs_approval=False, state="applied"),
        "forced_intervention_needs_approval",
    )


def test_the_actions_of_the_constraint_are_those_that_are_forced() -> None:
    assert {str(action) for action in SagaIntervention.FORCED} == {
        "skip", "mark_compensated", "force_complete", "force_fail",
    }  # fmt: skip


def test_peoples_word_on_an_unknown_outcome_needs_approval() -> None:
    refused(lambda: make_row(action="resolve_unknown", is_forced=True), "forced_intervention_needs_approval")


def test_an_intervention_has_a_reason() -> None:
    refused(lambda: make_row(reason=""), "intervention_has_a_reason")


def test_what_waits_needs_approval_and_is_decided_by_nobody_yet() -> None:
    refused(lambda: make_request(needs_approval=False), "intervention_awaits_or_is_decided")
    refused(lambda: make_request(decided_by=make_operator()), "intervention_awaits_or_is_decided")
    refused(lambda: make_row(state="refused"), "intervention_awaits_or_is_decided")


def test_one_request_waits_for_each_saga() -> None:
    row = make_request()

    refused(lambda: make_request(saga=row.saga, epoch=2), "one_awaiting_intervention_per_saga")

    row.decide(SagaIntervention.State.REFUSED, by=make_operator(), note="No.")
    assert make_request(saga=row.saga).state == "awaiting_approval"


def test_of_those_who_saw_the_same_saga_one_acts() -> None:
    row = make_row()

    refused(lambda: make_row(saga=row.saga, action="compensate"), "one_applied_intervention_per_epoch")

    make_row(saga=row.saga, action="look_up")
    make_row(saga=row.saga, epoch=2)
    assert SagaIntervention.objects.filter(saga=row.saga).count() == 3


def test_a_decision_is_made_once() -> None:
    row = make_request()
    stale = SagaIntervention.objects.get(pk=row.pk)

    assert row.decide(SagaIntervention.State.APPLIED, by=make_operator(), note="Yes.")

    assert not stale.decide(SagaIntervention.State.REFUSED, by=make_operator(), note="No.")
    assert str(row) == row.public_id
    assert row.public_id.startswith("int_")
