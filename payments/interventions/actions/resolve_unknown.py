"""Settle what nobody knows, by the reference under which gateway or carrier has it."""

from typing import cast

from payments.errors import InterventionNotPossibleError
from payments.gateways.base import Outcome, Result
from payments.interventions import evidence, questions
from payments.interventions.actions.base import Act, Action, Ending, set_going, step_to_write
from payments.interventions.actions.retry import arm
from payments.interventions.given import DID_NOT_HAPPEN, SUCCEEDED, Asked, Given
from payments.interventions.standing import Standing
from payments.models import GatewayOutcome, SagaIntervention
from payments.sagas import steps
from payments.sagas.exchange import Done, Started


class ResolveUnknown(Action):
    """The peer's word counts. Only where it has none do people's, two of them."""

    name = SagaIntervention.Action.RESOLVE_UNKNOWN
    permission = "payments.resolve_unknown"
    event = "unknown_resolved"
    needs = ("evidence",)
    takes = ("result",)

    def why_not(self, standing: Standing) -> str:
        return "" if standing.is_unsettled else "No call in hand has an unknown outcome."

    def told(self, standing: Standing) -> str:
        name = standing.step_name.replace("_", " ")
        return (
            f"The gateway or carrier is asked about the reference you give. What it confirms of “{name}” is recorded, "
            "and the saga goes on. Where it confirms nothing, you may state what happened; then a second person has "
            "to approve."
        )

    def ask(self, standing: Standing, given: Given) -> Asked:
        return questions.ask(
            standing, **questions.about_call(standing), **questions.about_name(standing, given.evidence)
        )

    def rests_on_word(self, standing: Standing, given: Given, asked: Asked) -> bool:
        told = _told(standing, given, asked)
        if told is None:
            _require_peoples_word(standing, given, asked)
            return True
        if told.result in (Result.PENDING, Result.REQUIRES_ACTION):
            raise InterventionNotPossibleError(f"It is not over there: {told.result.value.replace('_', ' ')}.")
        _require_no_contradiction(told, given)
        return False

    def apply(self, act: Act) -> Ending:
        act.after["calls"] = act.asked.calls_as_json()
        told = _told(act.standing, act.given, act.asked)
        if told is not None:
            return _record(act, told, GatewayOutcome.Source.LOOK_UP)
        if act.given.result == DID_NOT_HAPPEN:
            return _begin_anew(act)
        return _record(act, _stated(act.standing, act.given), GatewayOutcome.Source.PERSON)


def _call(standing: Standing) -> Started:
    """The call in hand: `why_not` has seen that there is one."""
    return cast("Started", standing.started)


def _told(standing: Standing, given: Given, asked: Asked) -> Outcome | None:
    return evidence.confirmed(standing, _call(standing), asked, given.evidence)


def _require_peoples_word(standing: Standing, given: Given, asked: Asked) -> None:
    """Raise InterventionNotPossibleError unless people state what nobody else can say."""
    operation = _call(standing).operation.operation
    evidence.require_free(standing, operation, given.evidence)
    evidence.require_not_recorded(standing, operation)
    if not given.result:
        why = "No answer was to be had" if asked.has_failed else "Nothing of the kind is known there by this reference"
        raise InterventionNotPossibleError(f"{why}. State what happened, if you know; a second person approves.")
    if given.result == SUCCEEDED and (asked.by_name is not None or _is_absence_proved(standing, asked)):
        raise InterventionNotPossibleError("It is known there that nothing of the kind was done.")
    if given.result == DID_NOT_HAPPEN and _is_on_its_way(standing):
        raise InterventionNotPossibleError("The request may still be on its way. Look again in a moment.")


def _is_absence_proved(standing: Standing, asked: Asked) -> bool:
    """The peer's look-up shows whatever has happened, and shows nothing: that is an answer, and goes before words."""
    peer = _call(standing).operation.peer(standing.run).capabilities
    was_asked = asked.by_key is None and not asked.has_failed
    return was_asked and peer.absence_is_proof and not _is_on_its_way(standing)


def _is_on_its_way(standing: Standing) -> bool:
    """Until its time has run out, and its effect with it, the request may still arrive."""
    call = _call(standing)
    peer, send_before = call.operation.peer(standing.run).capabilities, call.step.send_before
    return send_before is not None and send_before + peer.timeout + peer.settle_delay > standing.run.now


def _require_no_contradiction(outcome: Outcome, given: Given) -> None:
    said = SUCCEEDED if outcome.result == Result.SUCCEEDED else DID_NOT_HAPPEN
    if given.result not in ("", said):
        raise InterventionNotPossibleError(f"It says otherwise there: {outcome.result.value}.")


def _stated(standing: Standing, given: Given) -> Outcome:
    """The outcome that was asked for, under the reference that people hold in their hands."""
    call = _call(standing)
    return Outcome(
        operation=call.operation.operation,
        result=Result.SUCCEEDED,
        transaction_id=given.evidence,
        reference=questions.own_name(standing) or given.evidence,
        amount_minor=call.request.amount_minor,
        currency=call.request.currency,
    )


def _record(act: Act, outcome: Outcome, source: GatewayOutcome.Source) -> Ending:
    """As if the call had just been answered so; what follows is left to the worker."""
    run, call = act.run, _call(act.standing)
    act.after["outcome"] = outcome.as_json()
    set_going(run)

    def settle() -> None:
        if steps.record(run, call, Done(outcome, source)):
            run.write_released()

    return settle


def _begin_anew(act: Act) -> Ending:
    """The request is begun once more under a new key, and not sent: a saga that has stopped stays so.

    Trying again, or turning back, is another decision.
    """
    arm(act.run, step_to_write(act.standing))
    return act.run.write_released
