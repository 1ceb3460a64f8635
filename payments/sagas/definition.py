"""The words a saga is written in."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from payments.errors import PaymentError
from payments.gateways.base import Carrier, Operation, Outcome, PaymentGateway, Request

if TYPE_CHECKING:
    from orders.errors import DomainError
    from orders.models import Order
    from payments.sagas.run import Run


@dataclass(frozen=True, slots=True)
class Park:
    """Wait for something outside.

    Look again after `poll`, or when woken; after `patience` the step finds `run.is_overdue` and applies its policy.
    """

    waiting_for: str
    poll: timedelta
    patience: timedelta | None = None
    order_status: "Order.Status | None" = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """A definite no, with what the step wrote kept: the saga is undone. (Raising instead drops what it wrote.)"""

    error: "DomainError"


Verdict = Park | Refuse | None
"""How a step ended: None is success."""


@dataclass(frozen=True, slots=True)
class Local:
    """A step in our own database: its effect and its checkpoint are one commit.

    `before` runs ahead of that transaction and must give the same answer however often it is asked.
    """

    run: "Callable[[Run], Verdict]"
    undo: "Callable[[Run], Verdict] | None" = None
    before: "Callable[[Run], None] | None" = None

    @property
    def name(self) -> str:
        return name_of(self.run)


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another peer. `begin` ends the attempt at the present one, in a commit of its caller's, and says what to ask."""

    peer: str
    begin: Callable[[], Request]


class ForeignOperation(ABC):
    """A call to somebody else's system. Only `execute` and `look_up` leave the house, outside any transaction."""

    name: ClassVar[str]
    operation: Operation
    is_announced: ClassVar[bool] = True
    """Whether the peer tells of it unasked too, by webhook: then an answer that nobody waits for may be forgotten."""

    @abstractmethod
    def peer(self, run: "Run") -> "PaymentGateway | Carrier":
        """Whom to ask."""

    @abstractmethod
    def prepare(self, run: "Run") -> "Request | Park | Refuse | None":
        """The request to freeze, in the commit that starts the step; None when there is nothing to do."""

    def reason_to_stop(self, run: "Run") -> Park | Refuse | None:
        """Asked again before every repeated send: why what has certainly not happened shall not happen (now) either."""
        return None

    def opening(self, run: "Run", request: Request) -> "Callable[[], str] | None":
        """How the peer is told first to make what `execute` then acts on, which gives its reference there.

        Until that is committed nothing can happen. None where there is nothing to make, or it is made.
        """
        return None

    def mark_opened(self, run: "Run", reference: str) -> None:  # noqa: B027  # not every operation has marks
        """Write down how the peer calls it."""

    @abstractmethod
    def execute(self, run: "Run", request: Request) -> Outcome:
        """Send the request."""

    @abstractmethod
    def look_up(self, run: "Run", request: Request) -> Outcome | None:
        """Ask what became of the request; None when nothing is known of it."""

    def alternative(self, run: "Run", error: PaymentError) -> "Alternative | None":
        """Who else may be asked the same, now that this peer has certainly done nothing, for `error`."""
        return None

    @abstractmethod
    def record(self, run: "Run", outcome: Outcome, source: str) -> Verdict:
        """Write down what the peer reports, in the commit that ends the step."""

    def mark_refused(self, run: "Run", error: PaymentError) -> None:  # noqa: B027
        """Write down a definite no."""

    def mark_unknown(self, run: "Run") -> None:  # noqa: B027
        """Write down that nobody knows yet."""

    def mark_asked_again(self, run: "Run") -> None:  # noqa: B027
        """Take back what `mark_refused` wrote: a person has it tried once more."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A step in somebody else's system, undone there."""

    operation: ForeignOperation
    undo: ForeignOperation | None = None

    @property
    def name(self) -> str:
        return name_of(self.operation)


Step = Local | Foreign


def name_of(task: "Callable[[Run], Verdict] | ForeignOperation") -> str:
    """What a step is called in the direction in which it does this."""
    return task.name if isinstance(task, ForeignOperation) else task.__name__


@dataclass(frozen=True, slots=True)
class Saga:
    """A saga reads like its sentence.

    `context` is the dataclass of what its steps may know. `on_compensated` settles what the saga was about once
    everything is undone. A saga that `is_remedy` has nothing to undo: what it may not do goes to a person. One that is
    `for_client` tells its client instead, if a client waits for it.
    """

    name: str
    version: int
    context: type
    steps: tuple[Step, ...]
    on_compensated: "Callable[[Run], None] | None" = None
    is_remedy: bool = False
    for_client: bool = False

    @property
    def key(self) -> tuple[str, int]:
        return self.name, self.version
