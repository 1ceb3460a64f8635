"""Authorizations lapse: whoever waits with one in hand stops waiting in time, and uses it or gives it up."""

from datetime import datetime, timedelta

from django.conf import settings

from payments.errors import AuthorizationExpiredError
from payments.models import ChargeAttempt
from payments.sagas.definition import Refuse
from payments.sagas.run import Run

MARGIN = timedelta(hours=1)
"""How long before the expiry waiting is over: enough to capture, or to void."""
PATIENCE = timedelta(days=6)
"""When the gateway names no expiry: shorter than the week after which card authorizations usually lapse."""


def use_by(charge: ChargeAttempt, *, now: datetime) -> datetime:
    """Until when the authorization may be waited with."""
    expires_at = charge.authorization_expires_at
    return expires_at - MARGIN if expires_at else now + PATIENCE


def is_captured() -> bool:
    """Whether what is about to expire is captured; by default it is voided."""
    return bool(settings.AUTHORIZATION_EXPIRY_POLICY == "capture")


def is_near(run: Run, charge: ChargeAttempt) -> bool:
    return use_by(charge, now=run.now) <= run.now


def reason_to_give_up(run: Run, charge: ChargeAttempt) -> Refuse | None:
    """Why a capture that has not happened so far is not sent again."""
    if is_captured() or not is_near(run, charge):
        return None
    return Refuse(AuthorizationExpiredError("The authorization was about to expire before it could be captured."))
