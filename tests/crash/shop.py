"""One order that is checked out by processes that die, and everything that must be true of it in the end."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db.models.functions import Now

from orders.ids import new_id
from orders.models import Order, StockItem
from payments.models import ChargeAttempt, IdempotencyKey, LedgerPosting, SagaExecution
from tests.config.builders import bearer, make_token
from tests.crash.processes import Ending, Point, Processes
from tests.orders.builders import make_client, make_order, make_stock
from tests.payments.builders import end_sending, make_due
from tests.sandbox import Sandbox

QUANTITY, IN_STOCK = 2, 5
PATIENCE = 3
"""How often a worker may have to look at what a dead process left."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way a checkout can go, and how it ends."""

    name: str
    payment_method: str
    postal_code: str
    status: int
    order_status: Order.Status
    captures: int = 0
    refunds: int = 0
    voids: int = 0
    shipments: int = 0

    def __str__(self) -> str:
        return self.name


FORWARD = Way("forward", "tok_visa", "10001", 201, Order.Status.COMPLETED, captures=1, shipments=1)
REFUNDED = Way("refunded", "tok_visa", "99999", 409, Order.Status.PAYMENT_FAILED, captures=1, refunds=1)
VOIDED = Way("voided", "tok_avs_mismatch", "10001", 402, Order.Status.PAYMENT_FAILED, voids=1)
WAYS = [FORWARD, REFUNDED, VOIDED]


class Purchase:
    """An order of a client who checks it out under one key, whatever happens."""

    def __init__(self, processes: Processes, sandbox: Sandbox, way: Way) -> None:
        self.processes = processes
        self.sandbox = sandbox
        self.way = way
        self.item = make_stock(available=IN_STOCK)
        self.order = make_order(make_client(), item=self.item, quantity=QUANTITY, postal_code=way.postal_code)
        token = make_token(self.order.client)
        self._headers = {**bearer(token), "Idempotency-Key": f"key-{new_id()}"}

    def checkout(self, *, die: Point | None = None) -> Ending:
        body = {"payment_method": self.way.payment_method}
        return self.processes.checkout(f"/v1/orders/{self.order.public_id}/checkout", body, self._headers, die=die)

    @property
    def saga(self) -> SagaExecution | None:
        return SagaExecution.objects.filter(order=self.order).first()

    @property
    def is_begun(self) -> bool:
        return self.saga is not None

    def let_the_lease_lapse(self) -> None:
        """Tests move rows, not clocks."""
        if self.saga is not None:
            make_due(self.saga)
            end_sending(self.saga)

    def finish(self) -> None:
        """Whatever workers come next carry the checkout to its end."""
        for _ in range(PATIENCE):
            if self.saga is None or self.saga.is_final:
                return
            self.let_the_lease_lapse()
            self.processes.resume()

    def movements(self) -> list[tuple[str, str, int, str]]:
        """Captures and refunds as the gateway remembers them."""
        return sorted(
            (entry["operation"], entry["charge"], entry["amount"], entry["currency"])
            for operation in ("capture", "refund")
            for entry in self.effective(operation)
        )

    def effective(self, operation: str) -> list[dict[str, Any]]:
        return [entry for entry in self.sandbox.effective(operation) if entry["order"] == self.order.public_id]

    def postings(self) -> list[tuple[str, str, int, str]]:
        """Captures and refunds as the ledger has them."""
        rows = LedgerPosting.objects.filter(charge__order=self.order)
        return sorted(rows.values_list("kind", "charge__gateway_reference", "amount_minor", "currency"))

    def assert_ended_well(self) -> None:
        """Nothing is charged twice, nothing is lost, and every book says the same."""
        self._assert_saga_and_order()
        self._assert_the_gateway_did_what_it_had_to_and_no_more()
        self._assert_the_charge_is_as_the_gateway_has_it()
        self._assert_stock()
        self._assert_the_same_key_gets_the_final_answer()

    def _assert_saga_and_order(self) -> None:
        assert SagaExecution.objects.filter(order=self.order).count() == 1
        saga = SagaExecution.objects.get(order=self.order)
        self.order.refresh_from_db()
        is_forward = self.way.order_status == Order.Status.COMPLETED
        expected = SagaExecution.State.COMPLETED if is_forward else SagaExecution.State.COMPENSATED
        assert (saga.state, self.order.status) == (expected, self.way.order_status)
        assert (saga.lease_owner, saga.lease_until) == ("", None)
        assert not saga.steps.filter(state="started").exists()

    def _assert_the_gateway_did_what_it_had_to_and_no_more(self) -> None:
        way, total = self.way, self.order.amount_minor
        done = Counter({name: len(self.effective(name)) for name in ("authorize", "capture", "refund", "void", "ship")})
        assert done == Counter(
            authorize=1, capture=way.captures, refund=way.refunds, void=way.voids, ship=way.shipments
        )
        assert all(amount == total for _, _, amount, _ in self.movements())
        assert self.postings() == self.movements()

    def _assert_the_charge_is_as_the_gateway_has_it(self) -> None:
        way, total = self.way, self.order.amount_minor
        charge = ChargeAttempt.objects.get(order=self.order)
        assert charge.status == ("captured" if way.captures else "voided")
        assert (charge.captured_minor, charge.refunded_minor) == (way.captures * total, way.refunds * total)
        assert charge.refund_pending_minor == 0
        assert self.order.paid_minor == charge.captured_minor - charge.refunded_minor
        assert self.order.shipments.filter(status="shipped").count() == way.shipments

    def _assert_stock(self) -> None:
        sold = QUANTITY if self.way.shipments else 0
        assert StockItem.objects.get(pk=self.item.pk).available == IN_STOCK - sold
        expected = "consumed" if self.way.shipments else "released"
        assert list(self.order.reservations.values_list("state", flat=True)) == [expected]

    def _assert_the_same_key_gets_the_final_answer(self) -> None:
        calls = len(self.sandbox.journal())
        first, second = self.checkout(), self.checkout()
        assert (first.status, first.body) == (self.way.status, second.body)
        assert second.status == first.status
        assert first.headers["Idempotent-Replayed"] == "true"
        assert len(self.sandbox.journal()) == calls
        assert IdempotencyKey.objects.get(client=self.order.client).frozen_at <= _database_now()


def _database_now() -> Any:
    return IdempotencyKey.objects.values_list(Now(), flat=True)[0]
