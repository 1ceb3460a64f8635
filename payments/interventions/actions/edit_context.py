"""Correct what the steps know: never what names money, a charge, a gateway or a checkout."""

from typing import Any

from payments.errors import InvalidContextError
from payments.interventions.actions.base import Act, Action, Ending
from payments.interventions.given import Asked, Given
from payments.interventions.standing import Standing
from payments.models import SagaIntervention
from payments.redaction import redact
from payments.sagas import context


class EditContext(Action):
    name = SagaIntervention.Action.EDIT_CONTEXT
    permission = "payments.edit_saga_context"
    event = "context_edited"
    needs = ("context",)

    def why_not(self, standing: Standing) -> str:
        if not standing.stands:
            return "It has not stopped, and is not paused."
        return "" if editable(standing) else "Nothing that its steps know may be changed."

    def told(self, standing: Standing) -> str:
        names = ", ".join(name.replace("_", " ") for name in editable(standing))
        return f"Changes {names}. The saga stays as it is, and goes on with the new values when it is let go on."

    def rests_on_word(self, standing: Standing, given: Given, asked: Asked) -> bool:
        changed(standing, given)
        return False

    def apply(self, act: Act) -> Ending:
        known, new = act.run.context, changed(act.standing, act.given)
        act.before["context"] = redact({name: known.get(name) for name in new})
        act.after["context"] = redact(new)
        act.run.saga.context = {**known, **new}
        return act.run.write_released


def editable(standing: Standing) -> dict[str, Any]:
    """The members that people may change, with what they are now."""
    defaults = context.editable(standing.run.definition.context)
    return {name: standing.run.context.get(name, default) for name, default in defaults.items()}


def changed(standing: Standing, given: Given) -> dict[str, Any]:
    """What would be another than it is. Raise InvalidContextError, naming every fault, for what may not be so."""
    now = editable(standing)
    if forbidden := sorted(set(given.context) - set(now)):
        raise InvalidContextError(f"These may not be changed: {', '.join(forbidden)}.")
    context.check({**standing.run.context, **given.context}, standing.run.definition.context)
    new = {name: value for name, value in given.context.items() if value != now[name]}
    if not new:
        raise InvalidContextError("Nothing would be changed.")
    return new
