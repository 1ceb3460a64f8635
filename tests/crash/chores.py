"""Sagas that are made up for a test: many small ones, and one that kills whoever works on it.

For the processes of `tests.crash.child`: each knows them from its import on.
"""

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db.models.functions import Now

from orders.models import Order
from payments.models import SagaExecution
from payments.sagas import registry
from payments.sagas.definition import Local, Saga, Verdict
from payments.sagas.run import Run
from tests.orders.builders import make_order


@dataclass(frozen=True)
class Nothing:
    """What their steps know."""


def ring(run: Run) -> Verdict:
    run.note("rang")
    return None


def die(_run: Run) -> Verdict:
    os.kill(os.getpid(), signal.SIGKILL)
    return None


TIMER: Final = Saga("timer", version=1, context=Nothing, steps=(Local(ring),))
KILLER: Final = Saga("killer", version=1, context=Nothing, steps=(Local(die),))


def know_them() -> None:
    for saga in (TIMER, KILLER):
        registry.register(saga)


def start(saga: Saga, names: Iterable[str], **fields: object) -> None:
    """Executions that are due now, all about one order that is being processed."""
    order = make_order()
    Order.objects.filter(pk=order.pk).update(status=Order.Status.PROCESSING)
    about = {"definition": saga.name, "version": saga.version, "order": order, "next_run_at": Now(), **fields}
    SagaExecution.objects.bulk_create(SagaExecution(business_key=name, **about) for name in names)
