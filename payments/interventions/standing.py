"""How a saga stands. What can be done about it follows from this, and from nothing else."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from orders.models import Order
from payments.gateways.base import Result
from payments.models import ChargeAttempt, Refund, SagaExecution, SagaIntervention, SagaStep
from payments.sagas import registry
from payments.sagas.definition import ForeignOperation, name_of
from payments.sagas.exchange import Started
from payments.sagas.run import Run

State, Status = SagaExecution.State, ChargeAttempt.Status

STOPPED = (State.NEEDS_ATTENTION, State.FAILED_COMPENSATION)


@dataclass(frozen=True, slots=True)
class Standing:
    """`step` is the row of the step in hand, if it was ever begun; `refund` the one this saga makes."""

    run: Run
    step: SagaStep | None
    refund: Refund | None
    has_live_charge: bool
    is_leased: bool
    awaiting: SagaIntervention | None

    @property
    def saga(self) -> SagaExecution:
        return self.run.saga

    @property
    def order(self) -> Order:
        return self.run.order

    @property
    def charge(self) -> ChargeAttempt | None:
        return self.run.charge

    @property
    def operation(self) -> ForeignOperation | None:
        """What the step in hand does in somebody else's system."""
        return self.run.task if isinstance(self.run.task, ForeignOperation) else None

    @property
    def step_name(self) -> str:
        return name_of(self.run.task) if self.run.task is not None else ""

    @property
    def is_active(self) -> bool:
        return self.saga.state in SagaExecution.ACTIVE

    @property
    def is_stopped(self) -> bool:
        """A person has been called, and nothing goes on by itself."""
        return self.saga.state in STOPPED

    @property
    def stands(self) -> bool:
        """Nobody touches it until a person lets it go on."""
        return self.is_stopped or (self.is_active and self.saga.is_paused)

    @property
    def started(self) -> Started | None:
        """The request in hand, once it was begun: to be looked up, and never sent from here."""
        step, operation = self.step, self.operation
        return Started(step, operation) if step is not None and operation is not None and self.is_started else None

    @property
    def is_started(self) -> bool:
        return self.step is not None and self.step.state == SagaStep.State.STARTED

    @property
    def is_unexpected(self) -> bool:
        """The peer has done something, and something other than it was asked for."""
        return self._has_result(Result.SUCCEEDED)

    @property
    def is_unsettled(self) -> bool:
        """The request in hand may have been sent, and nobody knows what became of it."""
        started = self.started
        if started is None or started.step.send_before is None:
            return False
        is_unknown = started.step.outcome == SagaStep.Outcome.UNKNOWN
        waits_for_customer = self._has_result(Result.REQUIRES_ACTION) and not is_unknown
        return not (self.is_unexpected or waits_for_customer)

    @property
    def is_in_doubt(self) -> bool:
        """Turning anything back now could meet money that is still on its way.

        A payment that waits for its customer is made impossible at the gateway first, whatever the customer does.
        """
        return self.is_unsettled and not (self.charge and self.charge.status == Status.REQUIRES_ACTION)

    @property
    def did_not_happen(self) -> bool:
        """The request in hand was begun, and certainly nothing came of it."""
        is_something = self.is_unexpected or self.is_unsettled or self._has_result(Result.REQUIRES_ACTION)
        return self.is_started and not is_something

    def _has_result(self, result: Result) -> bool:
        return self.step is not None and self.is_started and self.step.result.get("result") == result


def read(saga_id: UUID, *, for_update: bool = False) -> Standing | None:
    """The saga as it stands; None when this build does not know its definition.

    `for_update` locks the saga and its order, in this order, as every path that moves money does.
    """
    sagas, orders = SagaExecution.objects.annotate(database_now=Now()), Order.objects.all()
    if for_update:
        sagas, orders = sagas.select_for_update(), orders.select_for_update()
    saga: Any = sagas.get(pk=saga_id)
    if (saga.definition, saga.version) not in registry.versions():
        return None
    run = Run(saga, registry.get(saga.definition, saga.version), database_now=saga.database_now)
    run.order = orders.get(pk=saga.order_id)
    return Standing(
        run=run,
        step=SagaStep.objects.filter(saga=saga, position=saga.cursor, direction=saga.direction).first(),
        refund=Refund.objects.filter(saga=saga).first(),
        has_live_charge=ChargeAttempt.objects.held().filter(order=saga.order_id).exists(),
        is_leased=saga.lease_until is not None and saga.lease_until >= saga.database_now,
        awaiting=SagaIntervention.objects.awaiting().filter(saga=saga).select_related("requested_by").first(),
    )
