"""Ask another gateway, once it is certain that this one has taken nothing.

Certain is: the request was never sent, and nobody but this process has ever had its key; or the card was declined, and
a rule says to try it elsewhere. After an outcome that was ever unknown it is never certain enough.
"""

import structlog

from payments.errors import CardDeclinedError, NeverSentError
from payments.models import SagaStep
from payments.sagas import steps
from payments.sagas.definition import Alternative
from payments.sagas.exchange import NotDone, Refused, Started
from payments.sagas.run import Run

log = structlog.get_logger(__name__)


def alternative(run: Run, started: Started, answer: NotDone | Refused) -> Alternative | None:
    """Whom to ask instead; asked for outside any transaction, for it wants to know who is up."""
    return started.operation.alternative(run, answer.error) if _is_certain(run, started, answer) else None


def _is_certain(run: Run, started: Started, answer: NotDone | Refused) -> bool:
    if not run.is_forward or started.step.outcome == SagaStep.Outcome.UNKNOWN:
        return False
    if isinstance(answer, Refused):
        return isinstance(answer.error, CardDeclinedError)
    return isinstance(answer.error, NeverSentError) and started.step.key in run.own_keys


def go_on_with(run: Run, started: Started, answer: NotDone | Refused, other: Alternative) -> Started:
    """Begin the step anew with the `other`, in the commit that ends the attempt at the one before."""
    before = started.operation.peer(run).name
    request = other.begin()
    run.note("failed_over", reason=answer.error.detail, code=answer.error.code, before=before, after=other.peer)
    log.warning("gateway_failed_over", before=before, after=other.peer, code=answer.error.code)
    return steps.begin_anew(run, started, answer, request)
