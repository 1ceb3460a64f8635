"""Ask for an action on a saga: it is done at once, or waits for a second person.

Gateways are asked first, outside any transaction; then the saga is locked, and everything is looked at again.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import transaction

from payments.errors import InterventionNotPossibleError, StaleSagaError
from payments.interventions import applying
from payments.interventions.actions import ACTIONS, Action
from payments.interventions.given import RESULTS, Asked, Given
from payments.interventions.offers import UNKNOWN_DEFINITION, needs_second_person, why_not
from payments.interventions.standing import Standing, read
from payments.models import SagaExecution, SagaIntervention
from payments.redaction import redact

if TYPE_CHECKING:
    from django.contrib.auth.models import User

State = SagaIntervention.State


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody wants to do, once gateway and carrier were asked; `carry_out` does it."""

    saga: SagaExecution
    action: Action
    by: "User"
    reason: str
    epoch: int
    given: Given
    asked: Asked


def request(
    saga: SagaExecution, *, action: str, by: "User", reason: str, epoch: int, **arguments: Any
) -> SagaIntervention:
    """Do `action` to the saga as it stood at `epoch`; or have it wait for a second person, and change nothing.

    `arguments` are those of Given. Raise PermissionDenied; StaleSagaError when the saga has moved on;
    InterventionNotPossibleError or InvalidContextError with what is wrong.
    """
    intent = prepare(saga, action=action, by=by, reason=reason, epoch=epoch, **arguments)
    with transaction.atomic():
        return carry_out(intent)


def prepare(saga: SagaExecution, *, action: str, by: "User", reason: str, epoch: int, **arguments: Any) -> Intent:
    """Refuse what can be refused at once, and ask whoever has to be asked. Not inside a transaction."""
    chosen, given = ACTIONS[action], Given(**arguments)
    if not by.has_perm(chosen.permission):
        raise PermissionDenied
    if not reason.strip():
        raise InterventionNotPossibleError("A reason is needed.")
    _require_fit(chosen, given)
    standing = _possible(chosen, read(saga.pk), epoch=epoch)
    asked = chosen.ask(standing, given)
    return Intent(saga, chosen, by, redact(reason.strip()), epoch, given, asked)


def carry_out(intent: Intent) -> SagaIntervention:
    """Do it, or have it wait. The caller brings the transaction."""
    action = intent.action
    standing = _possible(action, read(intent.saga.pk, for_update=True), epoch=intent.epoch)
    rests_on_word = action.rests_on_word(standing, intent.given, intent.asked)
    needs_approval = needs_second_person(action, standing, is_forced=rests_on_word)
    if needs_approval:
        _make_room(standing, by=intent.by)
    row = SagaIntervention.objects.create(
        saga=standing.saga,
        action=action.name,
        arguments=intent.given.as_json(),
        reason=intent.reason,
        epoch=intent.epoch,
        is_forced=rests_on_word,
        needs_approval=needs_approval,
        state=State.AWAITING_APPROVAL if needs_approval else State.APPLIED,
        requested_by=intent.by,
    )
    if needs_approval:
        applying.note(row, "intervention_requested", by=intent.by, reason=intent.reason)
    else:
        applying.apply(row, standing, intent.given, intent.asked, rests_on_word=rests_on_word)
    row.refresh_from_db()
    return row


def _require_fit(action: Action, given: Given) -> None:
    """Raise InterventionNotPossibleError unless what was given is what this action takes."""
    members = given.as_json()
    if missing := [name for name in action.needs if name not in members]:
        raise InterventionNotPossibleError(f"This needs: {', '.join(missing)}.")
    if unknown := [name for name in members if name not in (*action.needs, *action.takes)]:
        raise InterventionNotPossibleError(f"This takes no: {', '.join(unknown)}.")
    if given.result and given.result not in RESULTS:
        raise InterventionNotPossibleError(f"What happened is one of: {', '.join(RESULTS)}.")
    given.require_fit_to_keep()


def _possible(action: Action, standing: Standing | None, *, epoch: int) -> Standing:
    if standing is None:
        raise InterventionNotPossibleError(UNKNOWN_DEFINITION)
    if not standing.saga.is_as_seen_at(epoch):
        raise StaleSagaError(saga=standing.saga.public_id)
    if reason := why_not(action, standing):
        raise InterventionNotPossibleError(reason)
    return standing


def _make_room(standing: Standing, *, by: "User") -> None:
    """One request waits at a time; what was asked of a saga that has moved on since waits no more."""
    other = standing.awaiting
    if other is None:
        return
    if standing.saga.is_as_seen_at(other.epoch):
        raise InterventionNotPossibleError(f"{other.requested_by} has asked for something that awaits approval.")
    applying.make_stale(other, by=by)
