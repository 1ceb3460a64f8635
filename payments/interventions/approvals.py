"""The second person's word on what somebody wants to do about a saga."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import transaction

from payments.errors import InterventionNotPossibleError
from payments.interventions import applying
from payments.interventions.actions import ACTIONS
from payments.interventions.given import NOTHING_ASKED, Asked, Given
from payments.interventions.offers import AT_WORK, why_not
from payments.interventions.standing import Standing, read
from payments.models import SagaIntervention
from payments.redaction import redact

if TYPE_CHECKING:
    from django.contrib.auth.models import User

APPROVE = "payments.approve_intervention"
State = SagaIntervention.State


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody's yes, once gateway and carrier were asked again; `carry_out` makes it count."""

    row: SagaIntervention
    by: "User"
    note: str
    asked: Asked


def approve(row: SagaIntervention, *, by: "User", note: str) -> SagaIntervention:
    """Have it done. When the saga is no longer as it was seen, nothing is done, and the request is `stale`.

    Raise PermissionDenied; InterventionNotPossibleError when `by` asked for it, or somebody has decided already.
    """
    approval = prepare(row, by=by, note=note)
    with transaction.atomic():
        return carry_out(approval)


def prepare(row: SagaIntervention, *, by: "User", note: str) -> Approval:
    """Refuse what can be refused at once, and ask again whoever was asked. Not inside a transaction."""
    note = _require_decider(row, by, note)
    action, standing = ACTIONS[row.action], read(row.saga_id)
    is_good = standing is not None and not _why_stale(row, standing)
    asked = action.ask(standing, Given(**row.arguments)) if standing is not None and is_good else NOTHING_ASKED
    return Approval(row, by, note, asked)


def carry_out(approval: Approval) -> SagaIntervention:
    """Apply the intervention, or find it stale. The caller brings the transaction."""
    standing = read(approval.row.saga_id, for_update=True)
    row = SagaIntervention.objects.select_for_update().get(pk=approval.row.pk)
    if standing is not None and standing.is_leased and standing.saga.is_as_seen_at(row.epoch):
        raise InterventionNotPossibleError(AT_WORK)
    if standing is None or _why_stale(row, standing):
        return _decide(row, State.STALE, approval.by, approval.note)
    given = Given(**row.arguments)
    rests_on_word = ACTIONS[row.action].rests_on_word(standing, given, approval.asked)
    row = _decide(row, State.APPLIED, approval.by, approval.note)
    applying.apply(row, standing, given, approval.asked, rests_on_word=rests_on_word)
    return row


def refuse(row: SagaIntervention, *, by: "User", note: str) -> SagaIntervention:
    """Have it not done; the caller may bring the transaction. Raises as `approve` does."""
    note = _require_decider(row, by, note)
    with transaction.atomic():
        read(row.saga_id, for_update=True)
        return _decide(row, State.REFUSED, by, note)


def withdraw(row: SagaIntervention, *, by: "User", note: str) -> SagaIntervention:
    """Take back what `by` has asked for; the caller may bring the transaction.

    Raise PermissionDenied when somebody else has asked for it; InterventionNotPossibleError when it is decided already.
    """
    if row.requested_by_id != by.pk:
        raise PermissionDenied
    note = _require_note(note)
    with transaction.atomic():
        read(row.saga_id, for_update=True)
        if not row.decide(State.WITHDRAWN, by=None, note=note):
            raise _decided_already(row)
        applying.note(row, "intervention_withdrawn", by=by, reason=note)
        return row


def may_decide(row: SagaIntervention, by: "User") -> bool:
    """Whether this person may be the second one."""
    return row.requested_by_id != by.pk and by.has_perms([APPROVE, ACTIONS[row.action].permission])


def _require_decider(row: SagaIntervention, by: "User", note: str) -> str:
    if not by.has_perms([APPROVE, ACTIONS[row.action].permission]):
        raise PermissionDenied
    if row.requested_by_id == by.pk:
        raise InterventionNotPossibleError("Whoever asked for it cannot decide about it: a second person has to.")
    return _require_note(note)


def _require_note(note: str) -> str:
    if not note.strip():
        raise InterventionNotPossibleError("A note is needed: why yes, or why not.")
    return str(redact(note.strip()))


def _decided_already(row: SagaIntervention) -> InterventionNotPossibleError:
    return InterventionNotPossibleError(f"This was decided already: {row.state.replace('_', ' ')}.")


def _why_stale(row: SagaIntervention, standing: Standing) -> str:
    if not standing.saga.is_as_seen_at(row.epoch):
        return applying.OVERTAKEN
    return why_not(ACTIONS[row.action], standing)


def _decide(row: SagaIntervention, state: SagaIntervention.State, by: "User", note: str) -> SagaIntervention:
    if not row.decide(state, by=by, note=note):
        raise _decided_already(row)
    if state != State.APPLIED:
        applying.note(row, f"intervention_{state.value}", by=by, reason=note)
    return row
