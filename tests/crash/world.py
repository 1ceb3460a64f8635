"""What is known of a world after something was done to it: the database, and what everybody else remembers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

from orders.ids import format_id
from orders.models import Order
from payments.models import SagaExecution
from payments.sagas.refund import REFUND
from tests.crash import witness
from tests.crash.witness import Write
from tests.sandbox import Sandbox

Entry = Mapping[str, Any]

IN_FRONT_OF_A_PERSON: Final = (SagaExecution.State.NEEDS_ATTENTION, SagaExecution.State.FAILED_COMPENSATION)


@dataclass(frozen=True, slots=True)
class Told:
    """One answer that a client had to a request with this idempotency key."""

    key: str
    status: int
    body: bytes
    is_replay: bool

    @property
    def is_final(self) -> bool:
        """Whether it settled the request: an error that ends a saga names it, another has stored nothing."""
        is_end = b'"saga": "' in self.body if self.status >= 400 else self.status != 202
        return self.is_replay or is_end


class World:
    """The database as it is now, and beside it what gateway, carrier, clients and the witness remember.

    `entries` is the gateway's journal, `movements` its list of what moved money; `stock` is how many of each SKU there
    were before anything was sold.
    """

    def __init__(
        self,
        *,
        entries: Sequence[Entry],
        movements: Sequence[Entry],
        stock: Mapping[str, int],
        told: Iterable[Told] = (),
        writes: Sequence[Write] = (),
    ) -> None:
        self.entries = entries
        self.movements = movements
        self.stock = stock
        self.told = list(told)
        self.writes = writes

    @classmethod
    def of(cls, sandbox: Sandbox, *, since: int = 0, stock: Mapping[str, int], told: Iterable[Told] = ()) -> Self:
        """The world since an entry of the sandbox's journal. `witness` has to be watching."""
        entries = sandbox.journal(since)
        names = {entry["order"] for entry in entries}
        days = {entry["at"][:10] for entry in entries}
        rows = [row for day in sorted(days) for row in sandbox.get("/v1/transactions", date=day).json()["transactions"]]
        movements = [row for row in rows if row["reference"] in names]
        return cls(entries=entries, movements=movements, stock=stock, told=told, writes=witness.writes())

    @cached_property
    def orders(self) -> dict[str, Order]:
        return {order.public_id: order for order in Order.objects.all()}

    @cached_property
    def sagas(self) -> dict[str, SagaExecution]:
        return {saga.public_id: saga for saga in SagaExecution.objects.all()}

    @cached_property
    def done(self) -> list[Entry]:
        """The calls that really did something."""
        return [entry for entry in self.entries if (entry["result"], entry["replayed"]) == ("succeeded", False)]

    @cached_property
    def under_way(self) -> set[str]:
        """Orders with something that is not over."""
        return {order_of(saga) for saga in self.sagas.values() if saga.state in SagaExecution.ACTIVE}

    @cached_property
    def with_person(self) -> set[str]:
        """Orders with something that a person has to decide."""
        return {order_of(saga) for saga in self.sagas.values() if saga.state in IN_FRONT_OF_A_PERSON}

    @cached_property
    def over(self) -> set[str]:
        """Orders that nothing more happens to by itself."""
        return self.orders.keys() - self.under_way - self.with_person

    def moved(self, by: str) -> Counter[str]:
        """Captured minus refunded at the gateway, by `order` or by `charge`, in minor units."""
        sums: Counter[str] = Counter()
        for entry in self.done:
            sums[entry[by]] += money(entry)
        return sums

    @cached_property
    def given_back_on_request(self) -> Counter[str]:
        """Refunds that somebody asked for, by order: by sagas of their own, which the key of the call names."""
        sums: Counter[str] = Counter()
        for entry in self.done:
            saga = self.sagas.get((entry["idempotency_key"] or "").partition(":")[0])
            if entry["operation"] == "refund" and saga is not None and saga.definition == REFUND.name:
                sums[entry["order"]] += entry["amount"]
        return sums


def order_of(saga: SagaExecution) -> str:
    return format_id(Order.PREFIX, saga.order_id)


def money(entry: Entry) -> int:
    """What an entry of the journal moves to us, in minor units."""
    sign = {"capture": 1, "refund": -1}.get(entry["operation"], 0)
    return sign * int(entry["amount"] or 0)
