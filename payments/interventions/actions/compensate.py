"""Have everything undone that the saga has done so far."""

from orders.money import Money, currencies
from payments.errors import StoppedByOperatorError
from payments.interventions.actions.base import IN_DOUBT, Act, Action, Ending, give_up_step, set_going
from payments.interventions.actions.pause import set_paused
from payments.interventions.standing import Standing
from payments.models import SagaExecution, SagaIntervention
from payments.sagas.operations import Capture

UNDONE_FROM = (SagaExecution.State.WAITING, SagaExecution.State.NEEDS_ATTENTION)


class Compensate(Action):
    name = SagaIntervention.Action.COMPENSATE
    permission = "payments.compensate_saga"
    event = "turned_back"

    def why_not(self, standing: Standing) -> str:
        run = standing.run
        if not run.is_forward:
            return "It is being undone already."
        if run.definition.on_compensated is None:
            return "A saga of this kind has nothing to undo."
        if not (standing.saga.state in UNDONE_FROM or standing.stands):
            return "It neither waits nor has stopped: pause it first."
        return IN_DOUBT if standing.is_in_doubt else ""

    def told(self, standing: Standing) -> str:
        if taken := _taken_unasked(standing):
            return (
                f"What it has done is undone, but for the {taken} that the gateway has taken other than asked: those "
                "do not go back by themselves. The saga stops where the authorization would be voided. Refund them at "
                "the gateway, and mark that step as compensated with the refund's reference."
            )
        return (
            "What it has done is undone, backwards from here: the parcel called back, the money given back or let go, "
            "the stock put back. The client is told that an operator has ended the checkout."
        )

    def apply(self, act: Act) -> Ending:
        run, error = act.run, StoppedByOperatorError()
        set_paused(act, False)
        give_up_step(act.standing, error)
        set_going(run)
        run.turn_back(error)
        return run.write_released


def _taken_unasked(standing: Standing) -> Money | None:
    """What a capture took that was not as asked: it is in suspense, and no step of the saga gives it back."""
    if not (standing.is_unexpected and isinstance(standing.operation, Capture) and standing.step is not None):
        return None
    taken = standing.step.result
    return Money(taken["amount_minor"], taken["currency"]) if taken.get("currency") in currencies() else None
