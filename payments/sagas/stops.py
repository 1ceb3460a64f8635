"""The switch that stops all captures, as a saga meets it: it parks before the capture, and no longer than is safe."""

from datetime import timedelta

from payments.errors import AuthorizationExpiredError
from payments.models import CaptureStop, ChargeAttempt
from payments.sagas import expiry
from payments.sagas.definition import Park, Refuse
from payments.sagas.run import CAPTURES_STOPPED, Run

POLL = timedelta(minutes=5)
"""Letting captures go on wakes whoever waits; this is for the deadline, and for a wake-up that nobody got."""


def reason_to_wait(run: Run, charge: ChargeAttempt) -> Park | Refuse | None:
    """Asked in the commit that would begin, or repeat, a capture.

    The stop comes before every policy: an authorization that is about to expire meanwhile is voided.
    """
    if CaptureStop.objects.hold() is None:
        return None
    has_waited_enough = run.saga.waiting_for == CAPTURES_STOPPED and run.is_overdue
    if has_waited_enough or expiry.is_near(run, charge):
        return Refuse(AuthorizationExpiredError("The authorization was about to expire while captures were stopped."))
    return Park(CAPTURES_STOPPED, POLL, expiry.use_by(charge, now=run.now) - run.now)
