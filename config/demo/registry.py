"""The scenarios by number, and how one is told: by what it saw, or by what went wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from config.demo.shop import Shop

Scenario = Callable[["Shop"], Sequence[str]]
"""Plays one scenario and returns, in plain lines, what it saw; raises when something was not as it must be."""

SCENARIOS: Final[dict[int, Scenario]] = {}


class Unexpected(Exception):
    """Something was not as it must be; the message says what."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a scenario ended."""

    number: int
    is_ok: bool
    lines: Sequence[str]


def scenario(number: int) -> Callable[[Scenario], Scenario]:
    """Put a function into the list of scenarios."""

    def enter(play: Scenario) -> Scenario:
        if number in SCENARIOS:
            raise ValueError(f"there are two scenarios {number}")
        SCENARIOS[number] = play
        return play

    return enter


def tell(number: int, play: Scenario, shop: "Shop") -> Told:
    """Play one scenario. Whatever it raises makes it a failed one, and the next can still be played."""
    try:
        return Told(number, True, play(shop))
    except Unexpected as error:
        return Told(number, False, str(error).splitlines())
    except Exception as error:
        return Told(number, False, [f"{type(error).__name__}: {error}"])


def run(scenarios: Mapping[int, Scenario], shop: "Shop", report: Callable[[Told], None]) -> bool:
    """Play the scenarios in the order of their numbers and report each at once; true if every one was ok."""
    told = []
    for number, play in sorted(scenarios.items()):
        told.append(tell(number, play, shop))
        report(told[-1])
    return all(each.is_ok for each in told)


def require(condition: object, otherwise: str) -> None:
    """Raise Unexpected, with `otherwise` as what happened instead, unless the condition holds."""
    if not condition:
        raise Unexpected(otherwise)


def require_equal(what: str, found: object, wanted: object) -> None:
    require(found == wanted, f"{what}: {found!r} instead of {wanted!r}")
