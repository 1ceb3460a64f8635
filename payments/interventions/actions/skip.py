"""Count a step as done by people's word: only what breaks no promise when it was not."""

from collections.abc import Mapping
from typing import Final

from payments.gateways.base import Request
from payments.interventions.actions.base import IN_DOUBT, Act, Action, Ending, set_going, stated_step
from payments.interventions.standing import Standing
from payments.models import SagaIntervention, SagaStep
from payments.sagas import steps
from payments.sagas.definition import Park, Refuse
from payments.sagas.remedy import CallBackStray
from payments.sagas.shipping import ShipmentCancelling, Shipping

TOLD: Final[Mapping[str, str]] = {
    Shipping.name: "The parcel counts as handed over, though not by us. The order is completed.",
    ShipmentCancelling.name: "The parcel is not called back and counts as lost to us. The rest is undone; the order "
    "ends as cancelled, so that nobody ships it a second time.",
    CallBackStray.name: "The stray parcel is not called back and counts as lost to us.",
}
"""The steps that may be skipped. Taking money, or leaving it, is never among them."""


class Skip(Action):
    name = SagaIntervention.Action.SKIP
    permission = "payments.skip_step"
    event = "step_skipped"
    is_forced = True

    def why_not(self, standing: Standing) -> str:
        if not standing.stands:
            return "It has not stopped, and is not paused."
        if standing.step_name not in TOLD:
            return "What this step does cannot be left out."
        return IN_DOUBT if standing.is_in_doubt else _why_not_shipped(standing)

    def told(self, standing: Standing) -> str:
        return TOLD[standing.step_name]

    def apply(self, act: Act) -> Ending:
        set_going(act.run)
        steps.complete(act.run, stated_step(act), SagaStep.Outcome.OK)
        return act.run.write_released


def _why_not_shipped(standing: Standing) -> str:
    """People are held to what the saga is held to before it ships."""
    if not isinstance(standing.operation, Shipping):
        return ""
    prepared = standing.operation.prepare(standing.run)
    return "" if isinstance(prepared, Request) else _said(prepared)


def _said(verdict: Park | Refuse) -> str:
    return verdict.error.detail if isinstance(verdict, Refuse) else "The parcel has to wait for something else."
