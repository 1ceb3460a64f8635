"""What people can do about a saga: one table, one small class each."""

from collections.abc import Mapping
from typing import Final

from payments.interventions.actions.base import Action
from payments.interventions.actions.compensate import Compensate
from payments.interventions.actions.edit_context import EditContext
from payments.interventions.actions.force import ForceComplete, ForceFail
from payments.interventions.actions.look_up import LookUp
from payments.interventions.actions.mark_compensated import MarkCompensated
from payments.interventions.actions.pause import Pause, Resume
from payments.interventions.actions.resolve_unknown import ResolveUnknown
from payments.interventions.actions.retry import Retry
from payments.interventions.actions.skip import Skip

ACTIONS: Final[Mapping[str, Action]] = {
    action.name.value: action
    for action in (
        Retry(),
        LookUp(),
        ResolveUnknown(),
        MarkCompensated(),
        Compensate(),
        EditContext(),
        Skip(),
        Pause(),
        Resume(),
        ForceComplete(),
        ForceFail(),
    )
}
"""In the order in which they are offered: what is known best to help, first."""

__all__ = ["ACTIONS", "Action"]
