"""Ask the gateway or the carrier, and show what it says."""

from payments.interventions import answers, questions
from payments.interventions.actions.base import Act, Action, Ending
from payments.interventions.given import Asked, Given
from payments.interventions.questions import Question
from payments.interventions.standing import Standing
from payments.models import SagaIntervention


class LookUp(Action):
    name = SagaIntervention.Action.LOOK_UP
    permission = "payments.look_up_saga"
    event = "looked_up"
    is_harmless = only_looks = True

    def why_not(self, standing: Standing) -> str:
        return "" if _questions(standing) else "There is nothing yet that the gateway or the carrier could know of."

    def told(self, standing: Standing) -> str:
        wakes = " The saga is woken, and asks for itself." if _is_woken(standing) else ""
        return f"Asks now, shows you the answer and keeps it in the history. Nothing is changed.{wakes}"

    def ask(self, standing: Standing, given: Given) -> Asked:
        return questions.ask(standing, **_questions(standing))

    def apply(self, act: Act) -> Ending:
        act.after |= {"said": answers.said(act.standing, act.asked), "is_answered": not act.asked.has_failed}
        saga = act.standing.saga
        return saga.wake if _is_woken(act.standing) else _nothing


def _questions(standing: Standing) -> dict[str, Question]:
    return {**questions.about_call(standing), **questions.about_own(standing)}


def _is_woken(standing: Standing) -> bool:
    return standing.is_active and standing.is_unsettled and not standing.saga.is_paused


def _nothing() -> None:
    """A look leaves everything as it was."""
