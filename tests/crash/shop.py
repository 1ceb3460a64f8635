"""One order that is bought by processes that die, and what became of it."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from orders.ids import new_id
from orders.models import Order, StockItem
from payments.models import ChargeAttempt, IdempotencyKey, SagaExecution
from tests.config.builders import bearer, make_token
from tests.crash.invariants import violations
from tests.crash.processes import Ending, Point, Processes, task
from tests.crash.world import Told, World
from tests.orders.builders import make_client, make_order, make_stock
from tests.payments.builders import end_sending, make_due
from tests.sandbox import Sandbox

if TYPE_CHECKING:
    from tests.crash.ways import Way

QUANTITY, IN_STOCK = 2, 5
PATIENCE = 4
"""How often a worker may have to look at what a dead process left."""
FOR_PEOPLE = ("review", "customer_action")
"""What a saga waits for that no worker can give it."""


class Shop:
    """Where orders are placed, the people who work there, and all that is known of what happened since."""

    def __init__(self, processes: Processes, sandbox: Sandbox) -> None:
        self.processes = processes
        self.sandbox = sandbox
        self.stock: dict[str, int] = {}
        self.told: list[Told] = []
        self.client, self.operator = make_client(), make_client("Operator")
        self._headers = {user: bearer(make_token(user)) for user in (self.client, self.operator)}
        self._entries: list[dict[str, Any]] = []
        self._since = self._seen = max((entry["sequence"] for entry in sandbox.journal()), default=0)

    def item(self) -> StockItem:
        item = make_stock(available=IN_STOCK)
        self.stock[item.sku] = IN_STOCK
        return item

    def post(
        self,
        path: str,
        body: dict[str, Any],
        *signals: Point | None,
        key: str,
        by_operator: bool = False,
        build: str = "",
        **headers: str,
    ) -> Ending:
        """A request under an idempotency key. What it was answered is remembered."""
        user = self.operator if by_operator else self.client
        sent = {**self._headers[user], "Idempotency-Key": key, **headers}
        return self.note(key, self.processes.request(f"/v1/{path}", body, sent, *signals, build=build))

    def task(self, path: str, body: dict[str, Any], *, key: str) -> dict[str, Any]:
        """The same request of the client, for a process among others."""
        headers = {**self._headers[self.client], "Idempotency-Key": key}
        return task("request", path=f"/v1/{path}", body=body, headers=headers)

    def note(self, key: str, ending: Ending) -> Ending:
        if ending.status:
            is_replay = "Idempotent-Replayed" in ending.headers
            self.told.append(Told(key, ending.status, ending.body.encode(), is_replay))
        return ending

    def done(self, order: Order) -> Counter[str]:
        """What really happened to an order at gateway and carrier, look-ups aside."""
        self._entries += self.sandbox.journal(self._seen)
        self._seen = self._entries[-1]["sequence"] if self._entries else self._seen
        effective = [e for e in self._entries if (e["result"], e["replayed"]) == ("succeeded", False)]
        operations = [e["operation"] for e in effective if e["order"] == order.public_id]
        return Counter(operation for operation in operations if operation != "look_up")

    def violations(self) -> list[str]:
        """What is wrong with anything that was ever bought here."""
        return violations(World.of(self.sandbox, since=self._since, stock=self.stock, told=self.told))

    def assert_all_is_well(self) -> None:
        """Every invariant holds for everything that was ever bought here."""
        wrong = self.violations()
        assert not wrong, "\n".join(wrong)


class Purchase:
    """An order of a client who goes one `way` with it, and repeats a request until it is answered for good."""

    def __init__(self, shop: Shop, way: "Way") -> None:
        self.shop = shop
        self.way = way
        self.order = make_order(shop.client, item=shop.item(), quantity=QUANTITY, postal_code=way.postal_code)
        self._key = f"{new_id()}"

    def key(self, act: str) -> str:
        return f"{act}-{self._key}"

    def has_begun(self, act: str) -> bool:
        return IdempotencyKey.objects.filter(key=self.key(act)).exists()

    @property
    def sagas(self) -> list[SagaExecution]:
        return list(SagaExecution.objects.filter(order=self.order).order_by("pk"))

    @property
    def checkout(self) -> SagaExecution:
        return SagaExecution.objects.get(order=self.order, definition="checkout")

    @property
    def charge(self) -> ChargeAttempt:
        return ChargeAttempt.objects.get(order=self.order)

    def let_leases_lapse(self) -> None:
        """Tests move rows, not clocks."""
        for saga in self.sagas:
            make_due(saga)
            end_sending(saga)

    def finish(self) -> None:
        """Whatever workers come next carry everything as far as it goes without people."""
        for _ in range(PATIENCE):
            if all(saga.state not in SagaExecution.ACTIVE or saga.waiting_for in FOR_PEOPLE for saga in self.sagas):
                return
            self.let_leases_lapse()
            self.shop.processes.resume()

    def go(self) -> list[tuple[Point, ...]]:
        """Go the whole way unharmed; return the points that each act passed."""
        passed = [act.perform(self).points for act in self.way.acts]
        self.finish()
        return passed

    def suffer(self, number: int, die: Point, *, then: Point | None = None, by_client: bool = False) -> Ending:
        """Go the way, but the process of act `number` dies at `die`, and the one that takes over at `then`.

        A worker takes over, or the client's own repeated request. Returns how it ended.
        """
        for act in self.way.acts[:number]:
            act.perform(self)
        act = self.way.acts[number]
        assert act.perform(self, die=die).killed, f"nobody died {die}"
        self.let_leases_lapse()
        taken_over = act.take_over(self, die=then, by_client=by_client)
        assert taken_over.killed == (then is not None), f"nobody died {then}"
        self.let_leases_lapse()
        self.finish()
        for act in self.way.acts[number:]:
            act.perform(self)
        self.finish()
        return taken_over

    def stand_still(self, point: Point) -> int:
        """Have the process of the first act stopped at `point`, and its lease lapse; return its process id."""
        ending = self.way.acts[0].perform(self, die=point)
        assert ending.stopped, f"nobody stopped {point}"
        self.let_leases_lapse()
        return ending.stopped

    def go_on(self, stopped: int) -> Ending:
        """Let the process that stood still go on with the checkout."""
        return self.shop.note(self.key("checkout"), self.shop.processes.go_on(stopped))

    def end(self) -> dict[str, Any]:
        """How it ended, in words that are the same for every purchase that goes the same way unharmed."""
        self.order.refresh_from_db()
        path, key = f"orders/{self.order.public_id}/checkout", self.key("checkout")
        answer = self.shop.post(path, self.way.payment, key=key)
        return {
            "order": (self.order.status, self.order.paid_minor),
            "answer": answer.status,
            "sagas": [(saga.definition, saga.state) for saga in self.sagas],
            "charges": sorted(
                self.order.charges.values_list("status", "captured_minor", "refunded_minor", "refund_pending_minor")
            ),
            "stock": sorted(self.order.reservations.values_list("state", flat=True)),
            "done": self.shop.done(self.order),
        }
