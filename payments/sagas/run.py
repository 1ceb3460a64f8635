"""One lease of one saga: what the worker that holds it knows, and what it is about to write."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cached_property
from time import monotonic
from typing import Any
from uuid import UUID

from django.db.models import Case, When
from django.db.models.functions import Now
from django.http import HttpResponse

from orders.errors import DomainError, InvalidTransition
from orders.models import Order
from payments.errors import LeaseLostError
from payments.gateways import audit
from payments.gateways.base import Call
from payments.models import ChargeAttempt, GatewayCall, SagaEvent, SagaExecution, SagaStep
from payments.models.sagas import NEXT
from payments.nudges import nudge
from payments.sagas import context, leases
from payments.sagas.definition import Foreign, ForeignOperation, Park, Saga, Step, Verdict

Direction = SagaExecution.Direction
State = SagaExecution.State

BACK_OFF = "back_off"
UNKNOWN = "unknown_outcome"
CAPTURES_STOPPED = "captures_stopped"
GATEWAY = "gateway"
PAUSES = (BACK_OFF, UNKNOWN, CAPTURES_STOPPED)
"""What a saga waits for that is about to ask, or send, again."""

_FOR_PEOPLE = (State.NEEDS_ATTENTION, State.FAILED_COMPENSATION)

STEP_FIELDS = [
    "state", "key", "key_number", "key_first_used_at", "request", "send_before", "is_answered", "result", "outcome",
    "attempts", "look_ups", "error", "calls", "finished_at",
]  # fmt: skip


class Run:
    """`saga` is this worker's copy; it becomes true only by `write`, under the fence of `epoch`."""

    def __init__(self, saga: SagaExecution, definition: Saga, *, database_now: datetime, is_new: bool = False) -> None:
        self.saga = saga
        self.is_new = is_new  # begun by this very process: there are no steps yet
        self.definition = definition
        self._clock = database_now, monotonic()
        self.is_overdue = self._is_past_deadline()
        self.epoch = saga.epoch
        self.wake_seq = saga.wake_seq
        self.position = saga.cursor
        self.has_paused = saga.waiting_for in PAUSES  # a pause before trying again is over
        self.failures: dict[tuple[int, str], DomainError] = {}
        self.own_keys: set[str] = set()  # idempotency keys that nobody but this process has ever sent
        self.ahead: dict[str, Any] = {}  # what `Local.before` has gathered
        self.answer: HttpResponse | None = None  # what a client was told for good, once that is known
        self._steps: dict[UUID, SagaStep] = {}
        self._events: list[SagaEvent] = []
        self._calls: list[GatewayCall] = []
        self._standing = self._stands()

    @property
    def now(self) -> datetime:
        """The database's clock, carried on by a monotonic one: this machine's own clock may be wrong."""
        read_at, started = self._clock
        return read_at + timedelta(seconds=monotonic() - started)

    @property
    def context(self) -> dict[str, Any]:
        known: dict[str, Any] = self.saga.context
        return known

    @cached_property
    def order(self) -> Order:
        return Order.objects.get(pk=self.saga.order_id)

    @cached_property
    def charge(self) -> ChargeAttempt | None:
        """The last attempt this saga made, if it has come that far, or the one that it is about."""
        about = self.context.get("charge")
        charges = ChargeAttempt.objects.filter(pk=about) if about else ChargeAttempt.objects.filter(saga=self.saga)
        charge = charges.last()
        if charge is not None:
            charge.order = self.order
        return charge

    @property
    def ends_with_person(self) -> bool:
        """Whether a refusal has nobody to go to but a person: nothing to undo, and no client who waits.

        Of a saga under way: one that is over may have outlived its key.
        """
        definition = self.definition
        return definition.is_remedy or (definition.for_client and self.saga.idempotency_key_id is None)

    @property
    def is_forward(self) -> bool:
        return self.saga.direction == Direction.FORWARD

    @property
    def at(self) -> tuple[int, str]:
        return self.position, self.saga.direction

    @property
    def step(self) -> Step | None:
        """The step in hand; None when there is none left in this direction."""
        inside = 0 <= self.position < len(self.definition.steps)
        return self.definition.steps[self.position] if inside else None

    @property
    def task(self) -> "Callable[[Run], Verdict] | ForeignOperation | None":
        """What the step in hand does in the present direction."""
        step = self.step
        if step is None:
            return None
        if not self.is_forward:
            return step.undo
        return step.operation if isinstance(step, Foreign) else step.run

    def reload(self) -> None:
        """After a rollback: nothing this worker had in memory counts."""
        self.saga = SagaExecution.objects.get(pk=self.saga.pk)
        self.position = self.saga.cursor
        self.is_overdue = self._is_past_deadline()
        self._steps.clear()
        self._events.clear()
        self._calls.clear()
        self.__dict__.pop("order", None)
        self.__dict__.pop("charge", None)

    def _is_past_deadline(self) -> bool:
        return self.saga.deadline_at is not None and self.saga.deadline_at < self.now

    def _stands(self) -> tuple[str, int, str]:
        """Where the saga stands, between one claim and the next, for whoever looks at it."""
        saga = self.saga
        return saga.direction, saga.cursor, saga.waiting_for

    def fence(self) -> None:
        """Lock the saga and its order, or raise LeaseLostError: the first thing in every transaction."""
        facts = leases.hold(self.saga.pk, epoch=self.epoch)
        if facts is None:
            raise LeaseLostError(saga=self.saga.public_id, epoch=self.epoch)
        self.order.status, self.order.paid_minor, self.order.cancel_requested_at = facts

    def new_step(self, name: str, **fields: Any) -> SagaStep:
        where = {"saga": self.saga, "position": self.position, "direction": self.saga.direction}
        return self.touch(SagaStep(**where, name=name, started_at=self.now, **fields))

    def touch(self, step: SagaStep) -> SagaStep:
        """Have `step` written with the next `write`."""
        self._steps[step.pk] = step
        return step

    def keep(self, calls: Iterable[Call], *, step: SagaStep) -> None:
        """Have a row written for each call that `step` made, after the step."""
        self._calls += audit.rows(calls, order_id=self.saga.order_id, saga=self.saga, step=step)

    def note(self, kind: str, *, actor: str = "", reason: str = "", **after: Any) -> SagaEvent:
        """Add to the saga's history; what is returned may be added to until the next write."""
        event = SagaEvent(saga=self.saga, kind=kind, actor=actor, reason=reason, after=after)
        self._events.append(event)
        return event

    def enter(self, state: SagaExecution.State) -> None:
        if state != self.saga.state and state not in NEXT[State(self.saga.state)]:
            raise InvalidTransition(f"A saga that is {self.saga.state} cannot become {state}.")
        self.saga.state = state

    def move_on(self) -> None:
        """The step in hand is done."""
        self.end_waiting()
        self.position += 1 if self.is_forward else -1
        self.saga.recoveries = 0

    def turn_back(self, error: DomainError) -> None:
        """Begin undoing, with the step in hand: it may have left something to undo."""
        self.saga.failure = {"code": error.code, "detail": error.detail, "retriable": error.retriable}
        self.saga.direction = Direction.COMPENSATING
        self.enter(State.COMPENSATING)
        self.end_waiting()
        self.note("compensation_started", **self.saga.failure)

    def end_waiting(self) -> None:
        if self.saga.waiting_for and self.order.status in (Order.Status.REQUIRES_ACTION, Order.Status.IN_REVIEW):
            self.order.move(Order.Status.PROCESSING)
        self.saga.deadline_at = None
        self.saga.waiting_for = ""
        self.is_overdue = False

    def write(self) -> None:
        """Steps, history and the row itself, the lease kept."""
        self._write(**leases.until())

    def write_parked(self, park: Park) -> None:
        """Let the lease go until `park.poll` has passed. A wake-up since the claim makes the saga due at once."""
        if park.waiting_for != self.saga.waiting_for:
            self.saga.waiting_for = park.waiting_for
            self.saga.deadline_at = self.now + park.patience if park.patience is not None else None
        self.saga.recoveries = 0
        self._write(
            **leases.NONE,
            next_run_at=Case(When(wake_seq=self.wake_seq, then=Now() + park.poll), default=Now()),
        )

    def write_released(self, *, delay: timedelta | None = None) -> None:
        """Let the lease go; what is active is due at once, or after `delay`, for a worker; what has ended stays."""
        self._write(**leases.NONE, next_run_at=Now() + delay if delay else Now())
        if self.saga.state in SagaExecution.ACTIVE and delay is None:
            nudge(self.saga.pk)

    def write_crash(self, error: Exception) -> None:
        """That it happened, and nothing else: what this worker found in the row may be what made it crash."""
        SagaEvent.objects.create(saga=self.saga, kind="crashed", reason=type(error).__name__)
        self._update(**leases.until())

    def _write(self, **lease: Any) -> None:
        saga = self.saga
        if saga.state not in _FOR_PEOPLE:  # a person gets the saga as it is
            context.check(saga.context, self.definition.context)
        if self._steps:
            SagaStep.objects.bulk_create(
                self._steps.values(), update_conflicts=True, unique_fields=["id"], update_fields=STEP_FIELDS
            )
        if self._events:
            SagaEvent.objects.bulk_create(self._events)
        if self._calls:
            GatewayCall.objects.bulk_create(self._calls)
        saga.cursor = min(max(self.position, 0), len(self.definition.steps))
        if self._events or self._stands() != self._standing or saga.state not in SagaExecution.ACTIVE:
            saga.moved_epoch = self.epoch
        self._update(
            state=saga.state, direction=saga.direction, cursor=saga.cursor, context=saga.context, failure=saga.failure,
            recoveries=saga.recoveries, deadline_at=saga.deadline_at, waiting_for=saga.waiting_for,
            moved_epoch=saga.moved_epoch,
            finished_at=self.now if saga.is_final else None, updated_at=self.now, **lease,
        )  # fmt: skip
        self._steps.clear()
        self._events.clear()
        self._calls.clear()

    def _update(self, **fields: Any) -> None:
        if not SagaExecution.objects.filter(pk=self.saga.pk, epoch=self.epoch).update(**fields):
            raise LeaseLostError(saga=self.saga.public_id, epoch=self.epoch)
