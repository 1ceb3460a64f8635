"""Stop a saga where it is, also out of a worker's hands, and let it go on."""

from functools import partial

from payments.interventions.actions.base import Act, Action, Ending
from payments.interventions.standing import Standing
from payments.models import SagaExecution, SagaIntervention


class Pause(Action):
    """What a worker has sent stays begun, and is looked up by whoever carries the saga on."""

    name = SagaIntervention.Action.PAUSE
    permission = "payments.pause_saga"
    event = "paused"
    is_harmless = fences = True

    def why_not(self, standing: Standing) -> str:
        if not standing.is_active:
            return "Nothing goes on that could be paused."
        return "It is paused already." if standing.saga.is_paused else ""

    def told(self, standing: Standing) -> str:
        return "Nothing more is done until somebody resumes it. What is on its way at this moment is looked up then."

    def apply(self, act: Act) -> Ending:
        set_paused(act, True)
        return act.run.write_released


class Resume(Action):
    name = SagaIntervention.Action.RESUME
    permission = "payments.pause_saga"
    event = "resumed"

    def why_not(self, standing: Standing) -> str:
        return "" if standing.is_active and standing.saga.is_paused else "It is not paused."

    def told(self, standing: Standing) -> str:
        return "It goes on from where it was paused."

    def apply(self, act: Act) -> Ending:
        set_paused(act, False)
        return partial(act.run.write_released, delay=act.given.delay)


def set_paused(act: Act, is_paused: bool) -> None:
    saga = act.run.saga
    if saga.is_paused == is_paused:
        return
    act.before["is_paused"], act.after["is_paused"] = saga.is_paused, is_paused
    SagaExecution.objects.filter(pk=saga.pk).update(is_paused=is_paused)
    saga.is_paused = is_paused
