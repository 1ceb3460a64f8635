"""Stop all captures at once, and let them go on. A capture that was begun before is finished."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import DurationField, F, Func, Value
from django.db.models.functions import Now

from orders.errors import InvalidTransition
from payments.models import CaptureStop, SagaExecution
from payments.sagas.run import CAPTURES_STOPPED

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger(__name__)

LONGEST_REASON = 500
"""Characters."""
SPREAD = timedelta(seconds=10)
"""Over how long those that wait are sent off, so that they do not meet the gateway all at once."""


class RandomPart(Func):
    """A random part of a span of time, another for each row."""

    template = "(%(expressions)s * RANDOM())"
    output_field = DurationField()

    def as_sqlite(self, compiler: Any, connection: Any, **options: Any) -> Any:
        """Spans are whole microseconds there, and RAND is Django's own, from 0 to 1."""
        whole = "CAST(%(expressions)s * RAND() AS INTEGER)"
        return self.as_sql(compiler, connection, **{**options, "template": whole})


def stop_captures(*, by: "User | str", reason: str) -> CaptureStop:
    """No capture is begun after the commit of this. `by` is a user, or the name of whoever else did it.

    Waits for the commits that begin captures right now. Raise InvalidTransition when captures are stopped already.
    """
    with transaction.atomic():
        CaptureStop.objects.lock()
        if stop := CaptureStop.objects.in_force():
            raise InvalidTransition(f"Captures were stopped already by {stop.stopped_by}: {stop.reason}")
        stop = CaptureStop.objects.create(stopped_by=_name(by), reason=reason)
        _log(stop, "Stopped all captures", by=by, reason=reason)
    log.warning("captures_stopped", by=_name(by), reason=reason)
    return stop


def resume_captures(*, by: "User | str", reason: str) -> int:
    """Let captures go on and wake whoever waits for that; how many did.

    Raise InvalidTransition when captures are not stopped. Two commits: whoever parks holds its saga and reads the
    stop, so nobody may hold the stop and want sagas. One who dies in between has cost those sagas a poll's time.
    """
    with transaction.atomic():
        CaptureStop.objects.lock()
        stop = CaptureStop.objects.in_force()
        if stop is None:
            raise InvalidTransition("Captures are not stopped.")
        CaptureStop.objects.filter(pk=stop.pk, is_over=False).update(
            is_over=True, resumed_at=Now(), resumed_by=_name(by), resumed_because=reason
        )
        _log(stop, "Let captures go on", by=by, reason=reason)
    woken = _wake_all()
    log.warning("captures_resumed", by=_name(by), reason=reason, woken=woken)
    return woken


def _wake_all() -> int:
    """In one statement, each at a moment of its own."""
    waiting = SagaExecution.objects.filter(state=SagaExecution.State.WAITING, waiting_for=CAPTURES_STOPPED)
    return waiting.update(next_run_at=Now() + RandomPart(Value(SPREAD)), wake_seq=F("wake_seq") + 1)


def _name(by: "User | str") -> str:
    return by if isinstance(by, str) else by.get_username()


def _log(stop: CaptureStop, what: str, *, by: "User | str", reason: str) -> None:
    """Beside what the row itself keeps: what a person of the back office did is in one log with all else they did."""
    if not isinstance(by, str):
        LogEntry.objects.log_actions(by.pk, [stop], CHANGE, f"{what}: {reason}", single_object=True)
