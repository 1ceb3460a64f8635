"""Small sagas with a peer that says what the test tells it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from orders.ids import new_id
from orders.models import Order
from payments.gateways.base import Capabilities, Carrier, Operation, Outcome, Request, Result
from payments.models import SagaExecution
from payments.sagas import registry
from payments.sagas.definition import Foreign, ForeignOperation, Local, Refuse, Saga, Step, Verdict
from payments.sagas.run import Run
from tests.orders.builders import make_order

DONE = Outcome(Operation.SHIP, Result.SUCCEEDED, "tx-1", "ref-1")
PROMISES = Capabilities(timeout=timedelta(seconds=1), settle_delay=timedelta(0), absence_is_proof=True)

Answer = Outcome | Exception | Callable[[Run], Outcome] | None


@dataclass(frozen=True)
class Nothing:
    """What the steps of these sagas know."""


class Peer:
    """Somebody else's system; a test asks it nothing directly."""

    name = "scripted"

    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities


class Scripted(ForeignOperation):
    """Gives the `answers` in turn and the last one for ever; `found` likewise, to who looks up.

    An exception is raised, a function is asked, None means that nothing is known.
    """

    name = "scripted_call"

    def __init__(
        self,
        *answers: Answer,
        found: Iterable[Answer] = (None,),
        promises: Capabilities = PROMISES,
        verdict: Verdict = None,
    ) -> None:
        self.keys: list[str] = []
        self.look_ups = 0
        self.recorded: list[str] = []
        self._answers = _repeating(answers or (DONE,))
        self._found = _repeating(found)
        self._peer: Any = Peer(promises)
        self._verdict = verdict

    def peer(self, run: Run) -> Carrier:
        peer: Carrier = self._peer
        return peer

    def prepare(self, run: Run) -> Request:
        return Request(key="", order=run.order.public_id)

    def execute(self, run: Run, request: Request) -> Outcome:
        self.keys.append(request.key)
        outcome = _said(self._answers(), run)
        assert outcome is not None
        return outcome

    def look_up(self, run: Run, request: Request) -> Outcome | None:
        self.look_ups += 1
        return _said(self._found(), run)

    def record(self, run: Run, outcome: Outcome, source: str) -> Verdict:
        self.recorded.append(source)
        return self._verdict


def _repeating(answers: Iterable[Answer]) -> Callable[[], Answer]:
    left = list(answers)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def _said(answer: Answer, run: Run) -> Outcome | None:
    if isinstance(answer, Exception):
        raise answer
    return answer(run) if callable(answer) else answer


def refusing(error: Any) -> Callable[[Run], Verdict]:
    """A local step that says no."""

    def refuse(_run: Run) -> Verdict:
        return Refuse(error)

    return refuse


def local(do: Callable[[Run], Verdict], undo: Callable[[Run], Verdict] | None = None) -> Local:
    return Local(do, undo=undo)


def define(*steps: Step | ForeignOperation, version: int = 1, **options: Any) -> Saga:
    """A saga that workers know from now on; they forget it after the test."""
    made = tuple(Foreign(step) if isinstance(step, ForeignOperation) else step for step in steps)
    return registry.register(Saga(f"test-{new_id().hex[-12:]}", version, Nothing, made, **options))


def start(saga: Saga, **fields: Any) -> SagaExecution:
    """An execution that is due, about an order that is being processed."""
    order = make_order()
    Order.objects.filter(pk=order.pk).update(status=Order.Status.PROCESSING)
    what = {"definition": saga.name, "version": saga.version, "business_key": order.public_id, "order": order}
    return SagaExecution.objects.create(**{**what, **fields})
