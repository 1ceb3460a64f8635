"""Have it tried again, in the direction in which it goes."""

from copy import copy
from functools import partial

from payments.errors import InterventionNotPossibleError, RefundExceedsCapturedError
from payments.gateways.base import Request
from payments.interventions.actions.base import Act, Action, Ending, set_going
from payments.interventions.standing import Standing
from payments.models import Refund, SagaIntervention, SagaStep
from payments.sagas import steps
from payments.sagas.definition import ForeignOperation
from payments.sagas.operations import Void
from payments.sagas.run import BACK_OFF, UNKNOWN, Run

WAITS = (BACK_OFF, UNKNOWN, "gateway", "carrier")
"""What there is no need to wait for: asking once more, or sending once more what certainly did not happen."""


class Retry(Action):
    name = SagaIntervention.Action.RETRY
    permission = "payments.retry_saga"
    event = "retried"

    def why_not(self, standing: Standing) -> str:
        if standing.is_active:
            return _why_not_woken(standing)
        if standing.is_unexpected:
            return "Something other than asked has happened: asking again changes nothing."
        if isinstance(standing.run.task, Void) and standing.charge and standing.charge.refundable_minor > 0:
            return "The money was taken meanwhile: there is nothing to void any more, only to give back."
        return _why_not_refunded(standing)

    def told(self, standing: Standing) -> str:
        if standing.is_active:
            return "It goes on at once instead of waiting for its next try."
        if standing.is_unsettled:
            return f"The gateway or carrier is asked again what became of “{_step(standing)}”, and the saga goes on."
        return f"It goes on with “{_step(standing)}”, under a new idempotency key where the old one was refused."

    def apply(self, act: Act) -> Ending:
        run, step = act.run, act.standing.step
        if act.standing.is_stopped:
            set_going(run)
            if step is not None:
                _take_up(act, step)
        return partial(run.write_released, delay=act.given.delay)


def _why_not_woken(standing: Standing) -> str:
    if standing.saga.is_paused:
        return "It is paused: resume it."
    if standing.saga.state == standing.saga.State.WAITING and standing.saga.waiting_for in WAITS:
        return ""
    return "It neither has stopped nor waits for its next try."


def _why_not_refunded(standing: Standing) -> str:
    refund, charge = standing.refund, standing.charge
    if refund is None or charge is None or refund.status != Refund.Status.FAILED:
        return ""
    return "" if charge.refundable_minor >= refund.amount_minor else RefundExceedsCapturedError().detail


def _step(standing: Standing) -> str:
    return standing.step_name.replace("_", " ")


def _take_up(act: Act, step: SagaStep) -> None:
    """Let the engine find the step in hand as if it had never given it up."""
    run = act.run
    if step.state == SagaStep.State.STARTED:
        run.touch(copy(step)).attempts = 0  # a new budget; what it may do with it is the engine's to judge
    elif isinstance(run.task, ForeignOperation) and step.key:
        act.after["key"] = _ask_anew(run, run.task, step)
    else:
        step.delete()  # it did nothing anywhere; what it said is in the history


def _ask_anew(run: Run, operation: ForeignOperation, step: SagaStep) -> str:
    """Arm a refused step: under a new key, for to the old one the peer would replay its no. Return that key.

    It is looked up first, as whatever was begun and not answered, and is sent once absence is proved.
    """
    operation.mark_asked_again(run)
    request = operation.prepare(run)
    again = run.touch(copy(step))
    if request is None:
        steps.complete(run, again, SagaStep.Outcome.NOT_NEEDED)
        return step.key
    if not isinstance(request, Request):
        raise InterventionNotPossibleError("What would be asked for again must not be done any more.")
    arm(run, again)
    again.request, again.error, again.result, again.attempts = request.as_json(), {}, {}, 0
    return again.key


def arm(run: Run, step: SagaStep) -> None:
    """Begin the step anew under the next key. Only when nothing can have come, nor come any more, of the last one."""
    step.key_number += 1
    step.key, step.key_first_used_at = steps.key_of(run, step), run.now
    step.state, step.outcome, step.finished_at = SagaStep.State.STARTED, "", None
    step.send_before, step.is_answered, step.look_ups = None, False, 0
