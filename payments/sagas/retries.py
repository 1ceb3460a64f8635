"""When to try again, how long to pause before, and when to stop trying."""

from datetime import timedelta
from random import uniform

from payments.errors import CircuitOpenError, GatewayUnavailableError, PaymentError, UnexpectedOutcomeError
from payments.models import SagaStep
from payments.sagas.exchange import Answer, NotDone, Refused, Started, Unclear
from payments.sagas.run import UNKNOWN, Run

FORWARD_SENDS = 5
COMPENSATION_SENDS = 12
BACK_OFF_BASE = 0.2
BACK_OFF_CAP = 30.0
LONGEST_PAUSE = 900.0
"""However long a peer asks for: so that waiting for the next try ends with the tries, well before an authorization."""
UNKNOWN_PATIENCE = timedelta(hours=24)
"""An outcome that stays unknown longer than this goes to a person."""


def without_hope(run: Run, started: Started, answer: Answer) -> Answer:
    """Make the last failure of too many definite: a no, where nothing happened; a person, where nobody knows."""
    error: PaymentError | None = None
    if isinstance(answer, Unclear) and _is_given_up(run):
        error = UnexpectedOutcomeError("The outcome stayed unknown for too long.")
    if isinstance(answer, NotDone):
        error = _why_not_again(run, started, answer)
    return Refused(error, calls=answer.calls) if error else answer


def _is_given_up(run: Run) -> bool:
    """Whatever the saga waits for: its deadline is over, and so is the patience with a peer that does not tell."""
    if run.saga.deadline_at is None:
        return False
    grace = timedelta(0) if run.saga.waiting_for == UNKNOWN else UNKNOWN_PATIENCE
    return run.saga.deadline_at + grace < run.now


def _why_not_again(run: Run, started: Started, answer: NotDone) -> PaymentError | None:
    step, peer = started.step, started.operation.peer(run).capabilities
    if step.key_first_used_at is None or step.key_first_used_at + peer.key_retention < run.now:
        return UnexpectedOutcomeError("The gateway may have forgotten the idempotency key.")
    if not is_counted(run, answer):
        return None
    is_impatient = run.is_forward and not run.ends_with_person
    if step.attempts >= (FORWARD_SENDS if is_impatient else COMPENSATION_SENDS):
        return GatewayUnavailableError(answer.error.detail)
    return None


def is_counted(run: Run, answer: NotDone) -> bool:
    """Whether a try that came to nothing is one of those a step has. What undoes waits for a gateway that is left
    alone for as long as its key may be used: a breaker that is open for an hour must not leave money where it is.
    """
    return run.is_forward or not isinstance(answer.error, CircuitOpenError)


def pause_before(run: Run, step: SagaStep, answer: NotDone | Unclear) -> float:
    """Seconds to wait: exponential, capped, jittered; not less than what the peer asked for, as far as that is sane."""
    if isinstance(answer, NotDone) and run.has_paused:
        return 0
    tries = step.attempts + step.look_ups
    back_off = min(BACK_OFF_CAP, BACK_OFF_BASE * 2.0 ** (tries - 1)) * uniform(0.75, 1)  # noqa: S311
    asked = answer.wait if isinstance(answer, Unclear) else min(answer.retry_after or 0, LONGEST_PAUSE)
    return max(back_off, asked)
