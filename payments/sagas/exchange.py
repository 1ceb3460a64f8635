"""Talk to a peer about one started step: send it once, or ask what became of it. No transaction is open here."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic

from payments.errors import CannotBeAskedError, GatewayTimeoutError, NeverSentError, PaymentError
from payments.gateways.audit import recorded_calls
from payments.gateways.base import Call, Capabilities, Outcome, Request
from payments.gateways.resilience.retry import sending_until
from payments.models import GatewayOutcome, SagaExecution, SagaStep
from payments.sagas.definition import ForeignOperation
from payments.sagas.run import Run

SEND_WINDOW = timedelta(seconds=2)
"""How long after a step was started its request may still be sent."""


@dataclass(frozen=True, slots=True)
class Started:
    """A foreign step whose request is committed.

    `send_by` is set, on this process's monotonic clock, only in the process that has just started the step; everybody
    else has to look the request up first.
    """

    step: SagaStep
    operation: ForeignOperation
    send_by: float | None = None

    @property
    def request(self) -> Request:
        return replace(Request(**self.step.request), key=self.step.key)


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer has made what the request is to act on, and calls it `reference`. Nothing has happened to it yet."""

    reference: str
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Done:
    """The peer says what became of the request."""

    outcome: Outcome
    source: str
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refused:
    """A definite no."""

    error: PaymentError
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NotDone:
    """It certainly did not happen: it was never sent, or the peer has nothing of it.

    `is_answered`: the peer did answer, and would answer the same to the same key.
    """

    error: PaymentError
    is_answered: bool = False
    retry_after: float | None = None
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Unclear:
    """Nobody knows yet. `wait` is how long, in seconds, asking again makes no sense."""

    error: PaymentError
    is_answered: bool = False
    wait: float = 0
    calls: list[Call] = field(default_factory=list)


Answer = Opened | Done | Refused | NotDone | Unclear


def ask(run: Run, started: Started) -> Answer:
    """Send a request that was started here just now; look up any other, and any whose answer says nothing."""
    with recorded_calls() as calls:
        answer = _opened_or_sent(run, started)
        if answer is None or isinstance(answer, Unclear):
            answer = _find(run, started, sent=answer)
    return replace(answer, calls=calls)


def _opened_or_sent(run: Run, started: Started) -> Answer | None:
    with sending_until(monotonic() if started.send_by is None else started.send_by):
        if opening := started.operation.opening(run, started.request):
            return _open(started, opening)
        return _send(run, started) if started.send_by is not None else None


def _open(started: Started, opening: Callable[[], str]) -> Opened | NotDone | Refused:
    """The first of two calls. Whatever becomes of it, nothing can happen before its answer is committed."""
    if _is_too_late(started):
        return NotDone(NeverSentError("The time to send this request had passed."))
    try:
        return Opened(opening())
    except NeverSentError as error:
        return NotDone(error, retry_after=error.retry_after)
    except GatewayTimeoutError as error:
        return NotDone(error, is_answered=error.is_answered)
    except PaymentError as error:
        return Refused(error)


def _is_too_late(started: Started) -> bool:
    return started.send_by is None or monotonic() > started.send_by


def _send(run: Run, started: Started) -> Answer:
    if _is_too_late(started):
        return NotDone(NeverSentError("The time to send this request had passed."))
    try:
        return Done(started.operation.execute(run, started.request), GatewayOutcome.Source.ANSWER)
    except NeverSentError as error:
        return NotDone(error, retry_after=error.retry_after)
    except GatewayTimeoutError as error:
        return Unclear(error, is_answered=error.is_answered)
    except PaymentError as error:
        return Refused(error)


def _find(run: Run, started: Started, *, sent: Unclear | None) -> Answer:
    peer = started.operation.peer(run).capabilities
    try:
        outcome = look_up(run, started)
    except PaymentError as error:
        return _unasked(started.step, error, sent=sent)
    if outcome is not None:
        return Done(outcome, GatewayOutcome.Source.LOOK_UP if peer.can_be_asked else GatewayOutcome.Source.WEBHOOK)
    return _absent(started.step, peer, sent=sent, now=run.now)


def look_up(run: Run, started: Started) -> Outcome | None:
    """What became of the request: as the peer answers or, where it cannot be asked, as it has told by itself.

    None when the peer knows nothing of it. Raise CannotBeAskedError when it has told nothing so far: that proves
    nothing, however long it lasts.
    """
    if started.operation.peer(run).capabilities.can_be_asked:
        return started.operation.look_up(run, started.request)
    told = started.step.told_now()
    if not told:
        raise CannotBeAskedError
    return Outcome.from_json(told)


def keep_word(saga: SagaExecution, outcome: Outcome) -> bool:
    """Keep what a peer that cannot be asked has told of a request in hand, for whoever asks what became of it.

    False when no step in hand has asked for it, or another final word of it has come before. The caller brings the
    transaction, and holds the saga's row.
    """
    if not outcome.key or not outcome.result.is_final:
        return False
    begun = saga.steps.filter(key=outcome.key, state=SagaStep.State.STARTED)
    step, word = begun.first(), outcome.as_json()
    if step is None:
        return False
    if step.told.get("key") == step.key:
        return bool(step.told == word)
    # Whatever is kept there is about an earlier key.
    return bool(begun.filter(told=step.told).update(told=word))


def _unasked(step: SagaStep, error: PaymentError, *, sent: Unclear | None) -> Answer:
    """Nobody could be asked. What was certainly not sent has not happened all the same."""
    wait = error.retry_after if isinstance(error, NeverSentError) else None
    if sent is None and step.send_before is None:
        return NotDone(error, retry_after=wait)
    return Unclear(error, is_answered=sent is not None and sent.is_answered, wait=wait or 0)


def _absent(step: SagaStep, peer: Capabilities, *, sent: Unclear | None, now: datetime) -> Answer:
    """What it means that the peer knows nothing of the request."""
    error = sent.error if sent else GatewayTimeoutError("The request is not known to the peer.")
    is_answered = sent.is_answered if sent else step.is_answered
    if not peer.absence_is_proof:
        return Unclear(error, is_answered=is_answered)
    # A request whose end this process saw cannot arrive any more; any other may, until its time has run out.
    if sent is not None:
        lasts_until = now + peer.settle_delay
    elif step.send_before is not None:
        lasts_until = step.send_before + peer.timeout + peer.settle_delay
    else:
        lasts_until = now
    wait = (lasts_until - now).total_seconds()
    return Unclear(error, is_answered=is_answered, wait=wait) if wait > 0 else NotDone(error, is_answered=is_answered)
