"""What happens to a saga inside one commit: steps are run, started, recorded, refused and undone.

Everything here runs under the fence, in the engine's transaction, and ends by writing the run.
"""

from copy import copy
from datetime import timedelta
from time import monotonic

import structlog
from django.conf import settings
from django.utils.module_loading import import_string
from prometheus_client import Counter

from orders.errors import DomainError
from payments.errors import CheckoutCancelledError, PaymentError, SagaCompensationError, UnexpectedOutcomeError
from payments.gateways.base import Request
from payments.models import SagaExecution, SagaStep
from payments.sagas import exchange, retries
from payments.sagas.definition import ForeignOperation, Park, Refuse, Verdict, name_of
from payments.sagas.exchange import Answer, Done, NotDone, Opened, Refused, Started, Unclear
from payments.sagas.retries import UNKNOWN_PATIENCE
from payments.sagas.run import BACK_OFF, PAUSES, UNKNOWN, Run

log = structlog.get_logger(__name__)

KEPT_CALLS, FIRST_CALLS = 40, 10
"""Of an exchange that goes on for a day, its beginning and its end are kept."""

ENDED = Counter("paydesk_sagas_ended_total", "Sagas that ended, or were handed to a person.", ["definition", "state"])


class StepFailed(Exception):
    """A step raised: what it wrote is rolled back, and the reason survives."""

    def __init__(self, error: DomainError) -> None:
        self.error = error


def walk(run: Run) -> Started | None:
    """Run local steps, in one transaction, up to the next foreign step, a wait, or the end."""
    while run.step is not None:
        verdict = _perform(run)
        if isinstance(verdict, Started):
            run.write()
            return verdict
        if isinstance(verdict, Park):
            _park(run, verdict)
            return None
        if isinstance(verdict, Refuse) and not undo(run, verdict.error):
            return None
    _finish(run)
    return None


def _perform(run: Run) -> Started | Verdict:
    """Do, or start, the step in hand; what it raises is rolled back first and refused on the second walk."""
    task = run.task
    if task is None:
        run.move_on()
        return None
    name = name_of(task)
    if run.at in run.failures:
        return refuse(run, run.new_step(name), run.failures[run.at])
    try:
        result = task.prepare(run) if isinstance(task, ForeignOperation) else _unless_cancelled(run, task(run))
    except DomainError as error:
        raise StepFailed(error) from error
    if isinstance(task, ForeignOperation) and isinstance(result, Request):
        return _start(run, task, result)
    if isinstance(result, Refuse):
        return refuse(run, run.new_step(name), result.error)
    if isinstance(result, Park):
        return result
    nothing_to_do = isinstance(task, ForeignOperation)
    complete(run, run.new_step(name), SagaStep.Outcome.NOT_NEEDED if nothing_to_do else SagaStep.Outcome.OK)
    return None


def _start(run: Run, operation: ForeignOperation, request: Request) -> Started:
    """Commit the key and the frozen request before anything is sent. What stood in the way is over."""
    run.end_waiting()
    step = run.new_step(operation.name, request=request.as_json(), key_first_used_at=run.now)
    return _arm(run, step, operation)


def note_opened(run: Run, started: Started, answer: Opened) -> Started:
    """Commit what the peer has made before it is acted on: from now on it can be asked for by its name."""
    step = _with_calls(run, started.step, answer)
    step.request = {**step.request, "reference": answer.reference}
    started.operation.mark_opened(run, answer.reference)
    allowed = _allow(run, step, started.operation)
    run.write()
    return allowed


def begin_anew(run: Run, started: Started, answer: Answer, request: Request) -> Started:
    """With another request, to another peer: nothing of the one before counts, but that it was made."""
    step = _with_calls(run, started.step, answer)
    step.request, step.error, step.is_answered, step.attempts = request.as_json(), {}, False, 0
    step.key_number += 1
    step.key_first_used_at = run.now
    again = _arm(run, step, started.operation)
    run.write()
    return again


def _arm(run: Run, step: SagaStep, operation: ForeignOperation) -> Started:
    """One more try: allow the request to be sent."""
    key = key_of(run, step)
    if key != step.key:
        run.own_keys.add(key)
    step.key = key
    step.attempts += 1
    return _allow(run, step, operation)


def _allow(run: Run, step: SagaStep, operation: ForeignOperation) -> Started:
    """For a short while, to this process alone."""
    step.send_before = run.now + exchange.SEND_WINDOW
    return Started(step, operation, send_by=monotonic() + exchange.SEND_WINDOW.total_seconds())


def key_of(run: Run, step: SagaStep) -> str:
    """The idempotency key of the request that this step sends next."""
    direction = "do" if run.is_forward else "undo"
    return f"{run.saga.public_id}:{step.name}:{direction}:{step.key_number}"


def _unless_cancelled(run: Run, verdict: Verdict) -> Verdict:
    """Waiting for a person is a safe point at which a client's cancellation is honoured."""
    is_wait_for_person = isinstance(verdict, Park) and verdict.order_status is not None
    if is_wait_for_person and run.is_forward and run.order.cancel_requested_at is not None:
        return Refuse(CheckoutCancelledError())
    return verdict


def settle(run: Run, started: Started, answer: Done | Refused) -> Started | None:
    """Record what became of a foreign step, and go on in the same commit."""
    return walk(run) if record(run, started, answer) else None


def record(run: Run, started: Started, answer: Done | Refused) -> bool:
    """Write down what became of a foreign step; False when the saga stops or waits here, and is written already."""
    step = _with_calls(run, started.step, answer)
    verdict = _unless_cancelled(run, _record(run, started.operation, step, answer))
    if isinstance(verdict, Park):
        _park(run, verdict)
        return False
    if verdict is None:
        complete(run, step, SagaStep.Outcome.OK)
        return True
    if isinstance(verdict.error, UnexpectedOutcomeError):
        step.error = as_json(verdict.error)
        hand_over(run, verdict.error)
        return False
    return undo(run, refuse(run, step, verdict.error).error)


def _record(run: Run, operation: ForeignOperation, step: SagaStep, answer: Done | Refused) -> Verdict:
    if isinstance(answer, Done):
        step.result = answer.outcome.as_json()
        return operation.record(run, answer.outcome, answer.source)
    if not isinstance(answer.error, UnexpectedOutcomeError):
        operation.mark_refused(run, answer.error)
    return Refuse(answer.error)


def try_again(run: Run, started: Started, answer: NotDone | Unclear) -> Started | None:
    """After a pause: send once more what did not happen, ask once more for what is unknown."""
    step = _note(run, started, answer)
    if isinstance(answer, Unclear):
        run.write()
        return Started(step, started.operation)
    stop = started.operation.reason_to_stop(run) if run.is_forward else None
    if isinstance(stop, Park):
        _park(run, stop)
        return None
    if stop is not None:
        return _stop(run, started.operation, step, stop.error)
    if answer.is_answered and step.key in run.own_keys:
        # The peer would replay its answer to this key, and has just said that nothing happened under it. Nobody else
        # can be about to send it: a key that another process may still use is kept.
        step.key_number += 1
        step.key_first_used_at = run.now
    step.is_answered = False
    again = _arm(run, step, started.operation)
    run.write()
    return again


def _stop(run: Run, operation: ForeignOperation, step: SagaStep, error: DomainError) -> Started | None:
    """Nothing has happened, and nothing shall."""
    if isinstance(error, PaymentError):
        operation.mark_refused(run, error)
    return walk(run) if undo(run, refuse(run, step, error).error) else None


def hold_back(run: Run, started: Started) -> None:
    """Leave the step to whoever claims the saga next. What this process has not sent, it never will."""
    if started.send_by is not None:
        step = run.touch(copy(started.step))
        step.send_before = None
        step.attempts -= 1
    run.write_released()


def back_off(run: Run, started: Started, answer: NotDone | Unclear, pause: float) -> None:
    _note(run, started, answer)
    if isinstance(answer, NotDone):
        _park(run, Park(BACK_OFF, timedelta(seconds=pause)))
    else:
        # Whatever the saga has been waiting for (its customer, say), it goes on waiting for.
        waiting_for = run.saga.waiting_for if run.saga.waiting_for not in PAUSES else ""
        _park(run, Park(waiting_for or UNKNOWN, timedelta(seconds=pause), UNKNOWN_PATIENCE))


def _note(run: Run, started: Started, answer: NotDone | Unclear) -> SagaStep:
    step = _with_calls(run, started.step, answer)
    step.error = as_json(answer.error)
    step.is_answered = answer.is_answered
    if isinstance(answer, NotDone):
        step.send_before = None
        if started.send_by is not None and not retries.is_counted(run, answer):
            step.attempts -= 1
    else:
        step.outcome = SagaStep.Outcome.UNKNOWN
        step.look_ups += 1
        started.operation.mark_unknown(run)
    return step


def _with_calls(run: Run, step: SagaStep, answer: Answer) -> SagaStep:
    """A copy of `step` to write: should this transaction be run again, it begins with the same original."""
    step = run.touch(copy(step))
    calls = [*step.calls, *(call.as_json() for call in answer.calls)]
    run.keep(answer.calls, step=step)
    step.calls = calls if len(calls) <= KEPT_CALLS else [*calls[:FIRST_CALLS], *calls[FIRST_CALLS - KEPT_CALLS :]]
    return step


def _park(run: Run, park: Park) -> None:
    if park.order_status is not None and run.order.status != park.order_status:
        run.order.move(park.order_status)
    if park.waiting_for != run.saga.waiting_for:
        run.note("parked", waiting_for=park.waiting_for)
    run.enter(SagaExecution.State.WAITING)
    run.write_parked(park)


def complete(run: Run, step: SagaStep, outcome: SagaStep.Outcome) -> None:
    step.state, step.outcome, step.finished_at, step.error = SagaStep.State.DONE, outcome, run.now, {}
    run.move_on()


def refuse(run: Run, step: SagaStep, error: DomainError) -> Refuse:
    step.state, step.outcome, step.finished_at = SagaStep.State.FAILED, SagaStep.Outcome.DECLINED, run.now
    step.error = as_json(error)
    return Refuse(error)


def undo(run: Run, error: DomainError) -> bool:
    """Turn back; False when that is not possible, and a person has been called instead."""
    if not run.is_forward:
        log.critical("saga_compensation_failed", code=error.code, detail=error.detail)
        _call_person(run, SagaExecution.State.FAILED_COMPENSATION, SagaCompensationError(error.detail))
    elif run.ends_with_person:
        hand_over(run, error)
    else:
        run.turn_back(error)
        return True
    return False


def hand_over(run: Run, error: DomainError) -> None:
    """Nothing more is done by itself: a person decides."""
    log.error("saga_needs_attention", code=error.code, detail=error.detail)
    _call_person(run, SagaExecution.State.NEEDS_ATTENTION, error)


def _call_person(run: Run, state: SagaExecution.State, error: DomainError) -> None:
    run.enter(state)
    ENDED.labels(run.definition.name, state.value).inc()
    run.note(state.value, reason=error.detail, code=error.code)
    if not run.definition.is_remedy and run.order.status in run.order.IN_CHECKOUT:
        run.order.move(run.order.Status.NEEDS_ATTENTION)
    run.write_released()


def _finish(run: Run) -> None:
    if not run.is_forward and run.definition.on_compensated is not None:
        run.definition.on_compensated(run)
    state = SagaExecution.State.COMPLETED if run.is_forward else SagaExecution.State.COMPENSATED
    if not run.is_forward:
        run.note(state.value)
    end(run, SagaExecution.State.RESOLVED if run.saga.has_persons_word else state)


def end(run: Run, state: SagaExecution.State) -> None:
    """The saga is over for good, and whoever waits for its answer gets it by this very commit."""
    run.enter(state)
    if state == SagaExecution.State.RESOLVED:
        run.note(state.value)
    run.write_released()
    import_string(settings.SAGA_ANSWER)(run)
    ENDED.labels(run.definition.name, run.saga.state).inc()


def as_json(error: DomainError) -> dict[str, object]:
    return {"code": error.code, "detail": error.detail, "retriable": error.retriable}
