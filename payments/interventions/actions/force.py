"""End a saga by people's word, as the engine would have ended it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from payments.errors import StoppedByOperatorError
from payments.interventions.actions.base import IN_DOUBT, Act, Action, Ending, give_up_step, take_back_order
from payments.interventions.standing import Standing
from payments.models import ChargeAttempt, Refund, SagaExecution, SagaIntervention
from payments.sagas import checkout, refund, steps
from payments.sagas.run import Run

UNEXPECTED = "Something other than asked has happened: that has to be put right first."


class ForceComplete(Action):
    name = SagaIntervention.Action.FORCE_COMPLETE
    permission = "payments.force_complete_saga"
    event = "forced_to_complete"
    is_forced = True

    def why_not(self, standing: Standing) -> str:
        if standing.saga.definition != checkout.CHECKOUT.name:
            return "Only a checkout can be forced to be complete."
        return _why_not_ended(standing) or _why_not_paid(standing)

    def told(self, standing: Standing) -> str:
        return (
            f"The order counts as delivered, {standing.order.total} stay with us, and its items leave the stock for "
            "good. Nothing is sent to the gateway or the carrier. The client is told that the checkout went well."
        )

    def apply(self, act: Act) -> Ending:
        give_up_step(act.standing, StoppedByOperatorError())
        checkout.deliver(act.run)
        return partial(steps.end, act.run, SagaExecution.State.RESOLVED)


class ForceFail(Action):
    name = SagaIntervention.Action.FORCE_FAIL
    permission = "payments.force_fail_saga"
    event = "forced_to_fail"
    is_forced = True

    def why_not(self, standing: Standing) -> str:
        if standing.saga.definition not in _FAILING:
            return "A saga of this kind cannot be given up: what it is about has to be undone."
        return _why_not_ended(standing) or _FAILING[standing.saga.definition].why_not(standing)

    def told(self, standing: Standing) -> str:
        return _FAILING[standing.saga.definition].told

    def apply(self, act: Act) -> Ending:
        run, error = act.run, StoppedByOperatorError()
        give_up_step(act.standing, error)
        run.saga.failure = run.saga.failure or steps.as_json(error)
        take_back_order(run)
        _FAILING[run.saga.definition].give_up(run)
        return partial(steps.end, run, SagaExecution.State.RESOLVED)


@dataclass(frozen=True, slots=True)
class _Failing:
    """How one kind of saga fails for good."""

    why_not: Callable[[Standing], str]
    give_up: Callable[[Run], None]
    told: str


def _why_not_ended(standing: Standing) -> str:
    if not standing.is_stopped:
        return "It has not stopped: only what waits for a person can be ended by people."
    if standing.is_unexpected:
        return UNEXPECTED
    return IN_DOUBT if standing.is_in_doubt else ""


def _why_not_paid(standing: Standing) -> str:
    charge = standing.charge
    if charge is None or charge.status != ChargeAttempt.Status.CAPTURED or not standing.order.is_paid:
        return "The order is not paid for."
    return ""


def _why_money_is_live(standing: Standing) -> str:
    if standing.has_live_charge or standing.order.paid_minor:
        return "The customer's money is still held or taken: it has to go back first."
    return ""


def _why_refund_stands(standing: Standing) -> str:
    is_done = standing.refund is not None and standing.refund.status == Refund.Status.SUCCEEDED
    return "The money has gone back." if is_done else ""


_FAILING: Final[Mapping[str, _Failing]] = {
    checkout.CHECKOUT.name: _Failing(
        _why_money_is_live,
        checkout.give_up,
        "The reserved items are put back and the order's payment has failed, or the order is cancelled where that was "
        "asked for. Nothing is sent to the gateway or the carrier. The client is told that the checkout has failed.",
    ),
    refund.REFUND.name: _Failing(
        _why_refund_stands, refund.give_up, "This refund is given up: the money stays with us."
    ),
}
