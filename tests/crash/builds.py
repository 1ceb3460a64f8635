"""The next build of Paydesk, as far as sagas are concerned: its checkout has a version 2, with one step more.

A process becomes one for good: for the processes of `tests.crash.child` alone.
"""

from dataclasses import replace

from payments import services
from payments.sagas import registry
from payments.sagas.checkout import CHECKOUT
from payments.sagas.definition import Local, Verdict
from payments.sagas.run import Run

NEXT = "next"
"""Has version 2 alone: whoever runs it has forgotten that there may be sagas of version 1."""
BOTH = "both"
"""Has both: what an upgrade needs while sagas of version 1 can be under way."""


def wrap_gift(run: Run) -> Verdict:
    run.note("gift_wrapped")
    return None


CHECKOUT_2 = replace(CHECKOUT, version=2, steps=(*CHECKOUT.steps[:-1], Local(wrap_gift), CHECKOUT.steps[-1]))


def become(build: str) -> None:
    """Turn this process into one of that build."""
    if build == NEXT:
        del registry._DEFINITIONS[CHECKOUT.key]
    if build in (NEXT, BOTH):
        registry.register(CHECKOUT_2)
        services.CHECKOUT = CHECKOUT_2  # type: ignore[attr-defined]
