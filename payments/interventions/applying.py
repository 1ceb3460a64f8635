"""Do it: one commit with the change, the intervention, and who did it why in the saga's history."""

from typing import TYPE_CHECKING, Any

from django.contrib.admin.models import CHANGE, LogEntry

from payments.errors import StaleSagaError
from payments.interventions.actions import ACTIONS, Action
from payments.interventions.actions.base import Act
from payments.interventions.given import Asked, Given
from payments.interventions.standing import Standing
from payments.models import SagaEvent, SagaExecution, SagaIntervention
from payments.redaction import redact
from payments.sagas import leases

if TYPE_CHECKING:
    from django.contrib.auth.models import User

OVERTAKEN = "Something else was done to the saga meanwhile."


def apply(row: SagaIntervention, standing: Standing, given: Given, asked: Asked, *, rests_on_word: bool) -> None:
    """Apply an intervention whose row is written already. The caller brings the transaction, and holds the saga.

    Raise StaleSagaError when the saga is no longer at the epoch of `standing`.
    """
    action, act = ACTIONS[row.action], Act(standing, row, given, asked)
    if action.only_looks:
        _look(action, act)
        return
    run = standing.run
    if not leases.take_over(run.saga.pk, epoch=run.saga.epoch):
        raise StaleSagaError
    run.epoch = run.saga.epoch = run.saga.epoch + 1
    if rests_on_word:
        SagaExecution.objects.filter(pk=run.saga.pk).update(has_persons_word=True)
        run.saga.has_persons_word = True
    before = _facts(standing)
    event = run.note(action.event, actor=row.requested_by.get_username(), reason=row.reason)
    ending = action.apply(act)
    event.before, event.after = _changes(before, act)
    ending()
    _overtake(standing, row)
    log(row, row.requested_by, action.title)


def note(row: SagaIntervention, kind: str, *, by: "User", reason: str) -> None:
    """Write what became of a request into the saga's history, which it leaves as it is."""
    after = {"intervention": row.public_id, "action": row.action, **redact(row.arguments)}
    SagaEvent.objects.create(saga_id=row.saga_id, kind=kind, actor=by.get_username(), reason=reason, after=after)
    log(row, by, f"{kind.replace('_', ' ').capitalize()} ({ACTIONS[row.action].title})", reason)


def make_stale(row: SagaIntervention, *, by: "User") -> None:
    """What `by` does is about a saga that is no more as whoever asked for this has seen it."""
    if row.decide(SagaIntervention.State.STALE, by=None, note=OVERTAKEN):
        note(row, "intervention_stale", by=by, reason=OVERTAKEN)


def log(row: SagaIntervention, by: "User", what: str, reason: str = "") -> None:
    """Into the trail of what staff did."""
    message = f"{what}: {reason or row.reason}"
    LogEntry.objects.log_actions(by.pk, [row.saga], CHANGE, message, single_object=True)


def _look(action: Action, act: Act) -> None:
    ending = action.apply(act)
    SagaEvent.objects.create(
        saga=act.standing.saga,
        kind=action.event,
        actor=act.row.requested_by.get_username(),
        reason=act.row.reason,
        after={"intervention": act.row.public_id, "calls": act.asked.calls_as_json(), **act.after},
    )
    ending()
    log(act.row, act.row.requested_by, action.title)


def _facts(standing: Standing) -> dict[str, Any]:
    saga, step = standing.saga, standing.step
    facts = {"state": saga.state, "direction": saga.direction, "step": standing.step_name}
    return {**facts, "step_state": step.state, "error": step.error} if step else facts


def _changes(before: dict[str, Any], act: Act) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was, and what is now; with what people gave, and who agreed."""
    row, saga = act.row, act.run.saga
    now = {"state": saga.state, "direction": saga.direction}
    people = {"approved_by": row.decided_by.get_username(), "note": row.decision_note} if row.decided_by else {}
    given = {name: value for name, value in act.given.as_json().items() if name != "context"}
    return {**before, **act.before}, {"intervention": row.public_id, **given, **people, **now, **act.after}


def _overtake(standing: Standing, row: SagaIntervention) -> None:
    """What somebody else wanted to do was about a saga that is no more as they saw it."""
    other = standing.awaiting
    if other is not None and other.pk != row.pk:
        make_stale(other, by=row.requested_by)
