"""What every action has: a permission, a reason not to be done, a sentence, and a change in one commit."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from typing import Any, ClassVar

from orders.models import Order
from payments.errors import PaymentError
from payments.interventions.given import NOTHING_ASKED, Asked, Given
from payments.interventions.standing import Standing
from payments.models import SagaExecution, SagaIntervention, SagaStep
from payments.sagas import steps
from payments.sagas.run import Run

Ending = Callable[[], object]
"""Writes what an action has changed: the last thing in its commit."""

IN_DOUBT = "What became of the call in hand is not known: it has to be resolved first."


@dataclass(slots=True)
class Act:
    """One action under way. `before` and `after` are what the history says of it, beside state and step."""

    standing: Standing
    row: SagaIntervention
    given: Given
    asked: Asked
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)

    @property
    def run(self) -> Run:
        return self.standing.run


class Action(ABC):
    """`event` is what the saga's history calls it.

    `is_forced`: it always rests on people's word. `is_harmless`: no amount is too large for one person to do it.
    `fences`: it may take a saga out of a worker's hands. `only_looks`: it leaves the saga, and its epoch, alone.
    `needs` are the arguments without which it makes no sense, `takes` those it may have beside them.
    """

    name: ClassVar[SagaIntervention.Action]
    permission: ClassVar[str]
    event: ClassVar[str]
    is_forced: ClassVar[bool] = False
    is_harmless: ClassVar[bool] = False
    fences: ClassVar[bool] = False
    only_looks: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()
    takes: ClassVar[tuple[str, ...]] = ()

    @property
    def title(self) -> str:
        return str(self.name.label)

    @abstractmethod
    def why_not(self, standing: Standing) -> str:
        """Why it is not possible now, with a saga that is not over; empty when it is."""

    @abstractmethod
    def told(self, standing: Standing) -> str:
        """What it will do, in a sentence."""

    def ask(self, standing: Standing, given: Given) -> Asked:
        """Ask whoever may know better than people; outside any transaction."""
        return NOTHING_ASKED

    def rests_on_word(self, standing: Standing, given: Given, asked: Asked) -> bool:
        """Whether nobody but people says so; raise InterventionNotPossibleError for what is not as they say."""
        return self.is_forced

    @abstractmethod
    def apply(self, act: Act) -> Ending:
        """Change the run and what it is about, in the caller's transaction; what comes back writes the run."""


def set_going(run: Run) -> None:
    """Put a saga that has stopped back to work, with new patience; its order is in its hands again."""
    saga = run.saga
    if saga.state in (SagaExecution.State.NEEDS_ATTENTION, SagaExecution.State.FAILED_COMPENSATION):
        take_back_order(run)
        saga.deadline_at, saga.waiting_for, saga.recoveries = None, "", 0
    run.enter(SagaExecution.State.RUNNING if run.is_forward else SagaExecution.State.COMPENSATING)


def take_back_order(run: Run) -> None:
    """Only a saga that decides what becomes of its order has taken it to a person, and takes it back."""
    if run.definition.on_compensated is not None and run.order.status == Order.Status.NEEDS_ATTENTION:
        run.order.move(Order.Status.PROCESSING)


def step_to_write(standing: Standing) -> SagaStep:
    """A copy of the step in hand that is written with the run, or its first row."""
    run, step = standing.run, standing.step
    return run.touch(copy(step)) if step is not None else run.new_step(standing.step_name)


def stated_step(act: Act) -> SagaStep:
    """The step in hand, whose outcome nobody reports: people say it is done."""
    step = step_to_write(act.standing)
    step.result = {"stated_in": act.row.public_id}
    return step


def give_up_step(standing: Standing, error: PaymentError) -> None:
    """A request that was begun and has certainly not happened shall not happen either."""
    if not standing.is_started:
        return
    if standing.operation is not None and standing.did_not_happen:
        standing.operation.mark_refused(standing.run, error)
    steps.refuse(standing.run, step_to_write(standing), error)
