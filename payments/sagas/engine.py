"""Carry sagas on: one lease, one step, one commit at a time.

What a worker knows counts only once it is committed under the fence of its epoch; so it can die anywhere, and
whoever claims the saga next finds either a step not begun or one begun whose outcome has to be asked for.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import sleep
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models.functions import Now

from orders.ids import format_id
from orders.models import Order
from payments.errors import LeaseLostError, UnexpectedOutcomeError
from payments.gateways import audit
from payments.models import SagaExecution, SagaStep
from payments.sagas import exchange, failover, leases, registry, retries, steps
from payments.sagas.definition import Foreign, ForeignOperation
from payments.sagas.exchange import Answer, Done, NotDone, Opened, Refused, Started
from payments.sagas.run import Run
from payments.sagas.steps import StepFailed

log = structlog.get_logger(__name__)

INLINE_PAUSE = 2.0
"""Longer pauses than these seconds are not slept through: the saga parks."""
MAX_RECOVERIES = 10
"""A saga that killed this many workers in a row goes to a person."""
_RUN_AGAIN = {"40P01", "40001"}  # deadlock_detected, serialization_failure (PostgreSQL, appendix A)

Result = TypeVar("Result")


def never() -> bool:
    return False


def advance(saga_id: UUID, *, owner: str, should_stop: Callable[[], bool] = never) -> bool:
    """Claim one saga and carry it on; False when it is somebody else's, or has nothing to do."""
    if not leases.claim(saga_id, owner=owner):
        return False
    drive(load(saga_id), should_stop=should_stop)
    return True


def advance_next(*, owner: str, should_stop: Callable[[], bool] = never) -> bool:
    """Claim the saga that has been due longest and carry it on; False when nothing is due."""
    saga_id = leases.claim_next(owner=owner)
    if saga_id is None:
        return False
    drive(load(saga_id), should_stop=should_stop)
    return True


def load(saga_id: UUID) -> Run:
    """The run of a saga that has just been claimed."""
    saga: Any = SagaExecution.objects.annotate(database_now=Now()).get(pk=saga_id)
    return Run(saga, registry.get(saga.definition, saga.version), database_now=saga.database_now)


def drive(run: Run, *, should_stop: Callable[[], bool] = never) -> None:
    """Carry a leased saga on until it parks, ends, is taken away, or `should_stop` says to leave it to the worker."""
    order = format_id(Order.PREFIX, run.saga.order_id)
    with structlog.contextvars.bound_contextvars(saga=run.saga.public_id, order=order):
        try:
            _drive(run, should_stop)
        except LeaseLostError:
            log.warning("saga_lease_lost", epoch=run.epoch)
        except (OperationalError, InterfaceError):
            # Whether the last commit stands is unknown here; the row knows, once the lease has lapsed.
            log.exception("saga_interrupted")
            raise
        except Exception as error:
            log.exception("saga_crashed")
            _give_up(run, error)


def _drive(run: Run, should_stop: Callable[[], bool]) -> None:
    if run.saga.recoveries > MAX_RECOVERIES:
        commit(run, lambda: steps.hand_over(run, UnexpectedOutcomeError("Workers keep dying on this saga.")))
        return
    started = _resume(run)
    while started is not None:
        if should_stop():
            commit(run, partial(steps.hold_back, run, started))
            return
        answer = exchange.ask(run, started)
        started = _follow_up(run, started, answer, should_stop)


def _follow_up(run: Run, started: Started, answer: Answer, should_stop: Callable[[], bool]) -> Started | None:
    """Act on an answer: record it, or pause (here, or parked) and go on asking."""
    if isinstance(answer, NotDone | Refused) and (other := failover.alternative(run, started, answer)):
        begin = partial(failover.go_on_with, run, started, answer, other)
        return commit(run, begin)
    answer = retries.without_hope(run, started, answer)
    if isinstance(answer, Opened):
        return commit(run, lambda: steps.note_opened(run, started, answer))
    if isinstance(answer, Done | Refused):
        _prepare_ahead(run, run.position + 1)
        try:
            return commit(run, lambda: steps.settle(run, started, answer))
        except LeaseLostError:
            _drop_stale(run, started, answer)
            raise
    pause = retries.pause_before(run, started.step, answer)
    run.has_paused = False
    if pause <= INLINE_PAUSE and not should_stop():
        sleep(pause)
        return commit(run, lambda: steps.try_again(run, started, answer))
    commit(run, lambda: steps.back_off(run, started, answer, pause))
    return None


def commit(run: Run, work: Callable[[], Result]) -> Result:
    """One transaction under the fence. A step that raises is rolled back and the rest is written without it."""
    while True:
        try:
            with transaction.atomic():
                run.fence()
                return work()
        except StepFailed as failed:
            run.failures[run.at] = failed.error
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) not in _RUN_AGAIN:
                raise
        run.reload()


def _resume(run: Run) -> Started | None:
    """Where the saga stands: a foreign step begun by somebody who is gone, or the next thing to do."""
    step = None if run.is_new else _begun_step(run)
    if step is not None and isinstance(run.task, ForeignOperation):
        return Started(step, run.task)
    _prepare_ahead(run, run.position)
    return commit(run, lambda: steps.walk(run))


def _begun_step(run: Run) -> SagaStep | None:
    steps = SagaStep.objects.filter(saga=run.saga, position=run.position, direction=run.saga.direction)
    return steps.filter(state=SagaStep.State.STARTED).first()


def _prepare_ahead(run: Run, position: int) -> None:
    """What the local steps from `position` up to the next foreign one want to know from outside the transaction."""
    if not run.is_forward:
        return
    for step in run.definition.steps[position:]:
        if isinstance(step, Foreign):
            return
        if step.before is not None:
            step.before(run)


def _drop_stale(run: Run, started: Started, answer: Done | Refused) -> None:
    """An answer that came after the lease was lost.

    Whoever has the saga now will find it by looking the same key up, or in the step where the peer cannot be asked. A
    saga that is over will not look: then what the gateway did is a fact of its own, and contradicts the books as any
    late webhook would. A saga that has gone on to something else will not look either: then the peer's webhook waits
    for its end, where the peer sends any.
    """
    log.error("stale_answer_dropped", step=started.step.name, key=started.step.key, answer=type(answer).__name__)
    audit.keep(answer.calls, order_id=run.saga.order_id, saga=run.saga, step=started.step)
    try:
        with transaction.atomic():
            saga = SagaExecution.objects.select_for_update().get(pk=run.saga.pk)
            is_asked = saga.steps.filter(key=started.step.key, state=SagaStep.State.STARTED).exists()
            if saga.state in SagaExecution.ACTIVE and (is_asked or started.operation.is_announced):
                if isinstance(answer, Done) and not started.operation.peer(run).capabilities.can_be_asked:
                    exchange.keep_word(saga, replace(answer.outcome, key=started.step.key))
                saga.wake()
            elif isinstance(answer, Done):
                run.reload()
                run.order = Order.objects.select_for_update().get(pk=saga.order_id)
                started.operation.record(run, answer.outcome, answer.source)
    except IntegrityError:
        log.critical("stray_outcome", step=started.step.name, key=started.step.key, outcome=_facts_of(answer))


def _facts_of(answer: Done | Refused) -> dict[str, Any]:
    return answer.outcome.as_json() if isinstance(answer, Done) else {"error": answer.error.code}


def _give_up(run: Run, error: Exception) -> None:
    """A fault of ours: let the lease lapse as if the worker had died, so that recoveries are counted and capped."""
    with suppress(LeaseLostError), transaction.atomic():
        run.reload()
        run.fence()
        run.write_crash(error)
