"""Paydesk's engine alone: sagas of eight steps that do nothing, on the real tables, and says what it took as JSON.

`chained`: local steps, as a checkout has them; those that follow each other are one commit. `committed`: foreign steps
whose peer answers at once, without leaving the process; each is committed before it is called and when it has answered.
"""

import argparse
import json
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402  # models need the set-up above
from django.core.management import call_command  # noqa: E402

from benchmarks.load import Clients, numbers_for  # noqa: E402
from orders.models import Order  # noqa: E402
from payments.gateways import registry as gateways  # noqa: E402
from payments.gateways.base import Carrier, Operation, Outcome, Request, Result  # noqa: E402
from payments.models import SagaExecution, SagaStep  # noqa: E402
from payments.sagas import engine, leases, registry  # noqa: E402
from payments.sagas.definition import Foreign, ForeignOperation, Local, Saga  # noqa: E402
from payments.sagas.run import Run  # noqa: E402

STEPS: Final = 8
WARM_UP_SECONDS: Final = 1.0
ORDERS: Final = 64
"""Sagas point at an order: with one for all of them, they would queue up at its row."""


@dataclass(frozen=True)
class Counter:
    """What the saga knows."""

    count: int


def increment(run: Run) -> None:
    run.context["count"] += 1


class Increment(ForeignOperation):
    """A call that is answered at once."""

    name = "increment"

    def peer(self, run: Run) -> Carrier:
        return gateways.carrier()

    def prepare(self, run: Run) -> Request:
        return Request(key="", order="")

    def execute(self, run: Run, request: Request) -> Outcome:
        return Outcome(Operation.SHIP, Result.SUCCEEDED, transaction_id=request.key, reference="")

    def look_up(self, run: Run, request: Request) -> Outcome | None:
        return None

    def record(self, run: Run, outcome: Outcome, source: str) -> None:
        increment(run)


SAGAS: Final = {
    "chained": Saga("benchmark_chained", 1, Counter, steps=(Local(increment),) * STEPS),
    "committed": Saga("benchmark_committed", 1, Counter, steps=(Foreign(Increment()),) * STEPS),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("variant", choices=SAGAS)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    definition, orders = registry.register(SAGAS[options.variant]), _prepare()

    def work(number: int) -> None:
        run_saga(definition, orders[number % ORDERS])

    with Clients(options.threads) as clients:
        warm_up = clients.drive(work, numbers_for(WARM_UP_SECONDS))
        load = clients.drive(work, numbers_for(options.seconds))
    _require_all_done(definition, warm_up.done + load.done)
    print(json.dumps({"rate": load.rate, "cpu_ms": load.cpu_seconds / load.done * 1000}))


def _prepare() -> list[Order]:
    call_command("migrate", verbosity=0)
    client, _ = User.objects.get_or_create(username="benchmark")
    fields: dict[str, Any] = {"client": client, "currency": "USD", "amount_minor": 1, "customer_id": "customer"}
    return Order.objects.bulk_create(Order(**fields) for _ in range(ORDERS))


def run_saga(definition: Saga, order: Order) -> None:
    """As a checkout does it: the insert takes the lease, and whoever inserted carries on."""
    saga = SagaExecution.objects.create(
        definition=definition.name,
        version=definition.version,
        business_key=str(uuid4()),
        order=order,
        state=SagaExecution.State.RUNNING,
        lease_owner="benchmark",
        epoch=1,
        context={"count": 0},
        **leases.until(),
    )
    run = Run(saga, definition, database_now=saga.created_at, is_new=True)
    run.order, run.charge = order, None
    engine.drive(run)
    assert run.saga.state == SagaExecution.State.COMPLETED, run.saga.state


def _require_all_done(definition: Saga, number: int) -> None:
    """The database has it, with every step. Earlier repetitions may have left more."""
    sagas = SagaExecution.objects.filter(definition=definition.name)
    done = sagas.filter(state=SagaExecution.State.COMPLETED, context={"count": STEPS}).count()
    assert done >= number, f"{done} of {number} sagas are done"
    assert SagaStep.objects.filter(saga__in=sagas, state=SagaStep.State.DONE).count() == STEPS * done


if __name__ == "__main__":
    main()
