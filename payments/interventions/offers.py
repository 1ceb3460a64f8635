"""What can be done to a saga now, and by whom."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.conf import settings

from payments.interventions.actions import ACTIONS, Action
from payments.interventions.standing import Standing

AT_WORK = "A worker is at it right now. Wait a moment, or pause it."
OVER = "It is over."
UNKNOWN_DEFINITION = "This version of Paydesk does not know sagas of this definition and version."


@dataclass(frozen=True, slots=True)
class Offer:
    """An action that is possible now. `told` says what it will do, `takes` what people give with it."""

    action: Action
    told: str
    needs_approval: bool

    @property
    def name(self) -> str:
        return self.action.name.value

    @property
    def title(self) -> str:
        return self.action.title

    @property
    def takes(self) -> tuple[str, ...]:
        return (*self.action.needs, *self.action.takes)


def possible(standing: Standing | None, may: Callable[[str], bool]) -> list[Offer]:
    """What somebody may do who has the permissions that `may` says."""
    if standing is None:
        return []
    return [
        Offer(action, action.told(standing), needs_second_person(action, standing, is_forced=action.is_forced))
        for action in ACTIONS.values()
        if may(action.permission) and not why_not(action, standing)
    ]


def why_not(action: Action, standing: Standing | None) -> str:
    """Why this is not possible now; empty when it is."""
    if standing is None:
        return UNKNOWN_DEFINITION
    if standing.saga.is_final:
        return OVER
    if standing.is_leased and not action.fences:
        return AT_WORK
    return action.why_not(standing)


def is_awaited(standing: Standing) -> bool:
    """Whether a second person can still approve what somebody has asked for."""
    return standing.awaiting is not None and standing.saga.is_as_seen_at(standing.awaiting.epoch)


def waits_behind(action: Action, standing: Standing) -> bool:
    """Whether it needs a second person while something awaits one already: one request waits at a time."""
    return is_awaited(standing) and needs_second_person(action, standing, is_forced=action.is_forced)


def needs_second_person(action: Action, standing: Standing, *, is_forced: bool) -> bool:
    """What rests on people's word always does, and whatever is about a large amount, unless it does no harm."""
    is_large = standing.order.amount_minor >= settings.SECOND_PERSON_AMOUNT
    return is_forced or (is_large and not action.is_harmless)


def permissions() -> Iterable[str]:
    """Those of which a person needs one, to be offered anything."""
    return {action.permission for action in ACTIONS.values()}
