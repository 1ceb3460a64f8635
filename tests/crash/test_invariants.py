"""An invariant that cannot fail is worth nothing: each is broken here on purpose, and has to see it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.db.models import F
from django.db.models.functions import Now

from orders.models import Order, Reservation, StockItem
from payments.models import ChargeAttempt, ClientEvent, IdempotencyKey, LedgerPosting, SagaExecution, SagaStep
from tests.crash import witness
from tests.crash.invariants import HORIZON, INVARIANTS, violations
from tests.crash.witness import Write
from tests.crash.world import Told, World
from tests.orders.builders import make_stock
from tests.payments.builders import Api
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

IN_STOCK = 50


class Scene:
    """Four healthy orders: completed, completed and partly refunded, undone, and in review; and all that is known."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.since = len(sandbox.journal())
        self.api = Api()
        self.item = make_stock(available=IN_STOCK)
        self.told: list[Told] = []
        self.completed = self.checked_out()
        self.refunded_in_part = self.checked_out()
        self.undone = self.checked_out(postal_code="99999")
        self.in_review = self.checked_out("tok_avs_partial")
        self.give_back_some_of(self.refunded_in_part)
        world = self.look()
        self.entries: list[dict[str, Any]] = [dict(entry) for entry in world.entries]
        self.movements: list[dict[str, Any]] = [dict(row) for row in world.movements]

    def checked_out(self, payment_method: str = "tok_visa", **fields: Any) -> str:
        order = self.api.order(item=self.item, quantity=2, **fields)
        key = f"pay-{order.public_id}"
        for _ in range(2):
            self.note(key, self.api.checkout(order, payment_method, key=key))
        return order.public_id

    def give_back_some_of(self, order: str) -> None:
        charge = next(row for row in ChargeAttempt.objects.all() if row.order.public_id == order)
        body = {"amount": 100, "reason": "A scratch."}
        self.note("back", self.api.post(f"charges/{charge.public_id}/refunds", body, key="back"))

    def note(self, key: str, answer: Any) -> None:
        self.told.append(Told(key, answer.status_code, answer.content, "Idempotent-Replayed" in answer.headers))

    def look(self) -> World:
        return World.of(self.sandbox, since=self.since, stock={self.item.sku: IN_STOCK}, told=self.told)

    def doctored(self) -> World:
        """What is in the database now, beside the memories that a test has changed."""
        world = self.look()
        world.entries, world.movements = self.entries, self.movements
        return world

    def entry(self, order: str, operation: str) -> dict[str, Any]:
        return next(e for e in self.entries if (e["order"], e["operation"]) == (order, operation))

    def add(self, entry: dict[str, Any], **changes: Any) -> None:
        self.entries.append({**entry, "sequence": self.entries[-1]["sequence"] + 1, **changes})

    def row(self, order: str) -> Order:
        return next(row for row in Order.objects.all() if row.public_id == order)

    def saga(self, order: str) -> Any:
        return SagaExecution.objects.filter(order=self.row(order), definition="checkout")


@pytest.fixture
def scene(gateway: Sandbox, watched: None) -> Scene:
    return Scene(gateway)


def test_what_is_healthy_breaks_no_invariant(scene: Scene) -> None:
    assert scene.look().over == {scene.completed, scene.refunded_in_part, scene.undone}
    assert violations(scene.look()) == []
    assert violations(scene.doctored()) == []


def second_capture_of_a_charge(scene: Scene) -> None:
    scene.add(scene.entry(scene.completed, "capture"), idempotency_key="another")


def refund_that_was_never_made(scene: Scene) -> None:
    scene.entries.remove(scene.entry(scene.undone, "refund"))


def refund_nobody_asked_for(scene: Scene) -> None:
    scene.add(scene.entry(scene.undone, "refund"), order=scene.completed, charge="sch_another", amount=100)


def capture_of_another_charge(scene: Scene) -> None:
    scene.add(scene.entry(scene.completed, "capture"), charge="sch_another")


def capture_of_an_unknown_order(scene: Scene) -> None:
    scene.add(scene.entry(scene.completed, "capture"), order="ord_another", charge="sch_another")


def parcel_before_the_money(scene: Scene) -> None:
    ship = scene.entry(scene.completed, "ship")
    scene.entries.remove(ship)
    scene.entries.insert(0, ship)


def parcel_after_the_money_went_back(scene: Scene) -> None:
    scene.add(scene.entry(scene.completed, "ship"), order=scene.undone)


def parcel_nobody_here_knows(scene: Scene) -> None:
    scene.add(scene.entry(scene.completed, "ship"), idempotency_key="another")


def parcel_called_back(scene: Scene) -> None:
    scene.add(scene.entry(scene.completed, "ship"), operation="cancel_shipment")


def step_done_twice(scene: Scene) -> None:
    entry = scene.entry(scene.completed, "authorize")
    scene.add(entry, idempotency_key=entry["idempotency_key"][:-1] + "1", charge="sch_another")


def authorization_nobody_voids(scene: Scene) -> None:
    scene.add(scene.entry(scene.completed, "authorize"), idempotency_key="another", charge="sch_another")


def movement_that_is_not_posted(scene: Scene) -> None:
    scene.movements.append({**scene.movements[0], "transaction_id": "stx_another"})


def posting_without_a_movement(scene: Scene) -> None:
    del scene.movements[0]


def order_that_believes_it_is_paid(scene: Scene) -> None:
    Order.objects.filter(pk=scene.row(scene.undone).pk).update(paid_minor=1)


def charge_that_believes_it_is_refunded(scene: Scene) -> None:
    ChargeAttempt.objects.filter(order=scene.row(scene.completed)).update(refunded_minor=1)


def amount_set_aside_for_nothing(scene: Scene) -> None:
    ChargeAttempt.objects.filter(order=scene.row(scene.completed)).update(refund_pending_minor=1)


def posting_of_a_sale_that_was_none(scene: Scene) -> None:
    posting = LedgerPosting.objects.filter(kind="capture").first()
    assert posting is not None
    fields = {"gateway": "sandbox", "kind": "capture", "debit": "gateway_clearing", "credit": "sales"}
    LedgerPosting.objects.create(**fields, transaction_id="x", amount_minor=1, currency="USD", charge=posting.charge)


def saga_nobody_will_look_at(scene: Scene) -> None:
    scene.saga(scene.in_review).update(next_run_at=Now() + 2 * HORIZON)


def saga_that_waits_for_ever(scene: Scene) -> None:
    scene.saga(scene.in_review).update(deadline_at=None)


def saga_in_a_state_nobody_knows(scene: Scene) -> None:
    scene.saga(scene.in_review).update(state="lost")


def saga_that_is_over_and_leased(scene: Scene) -> None:
    scene.saga(scene.completed).update(lease_owner="worker:gone")


def order_left_in_the_middle(scene: Scene) -> None:
    Order.objects.filter(pk=scene.row(scene.undone).pk).update(status="processing")


def person_who_is_needed_for_nothing(scene: Scene) -> None:
    Order.objects.filter(pk=scene.row(scene.undone).pk).update(status="needs_attention")


def step_left_open(scene: Scene) -> None:
    SagaStep.objects.filter(saga__in=scene.saga(scene.completed), name="capture_payment").update(state="started")


def stock_from_nowhere(scene: Scene) -> None:
    StockItem.objects.filter(pk=scene.item.pk).update(available=F("available") + 1)


def stock_held_for_nobody(scene: Scene) -> None:
    Reservation.objects.filter(order=scene.row(scene.completed)).update(state="held")


def write_after_the_end(scene: Scene) -> None:
    scene.saga(scene.completed).update(cursor=2)


def epoch_that_goes_down(scene: Scene) -> None:
    scene.saga(scene.in_review).update(epoch=F("epoch") - 1)


def other_bytes_for_a_replay(scene: Scene) -> None:
    scene.told.append(replace(scene.told[1], body=b"{}"))


def other_first_answer(scene: Scene) -> None:
    refused = next(told for told in scene.told if told.status == 409)
    scene.told.append(replace(refused, body=refused.body + b" ", is_replay=False))


def answer_that_was_not_frozen(scene: Scene) -> None:
    key = IdempotencyKey.objects.get(saga__in=scene.saga(scene.undone))
    IdempotencyKey.objects.filter(pk=key.pk).update(status=None)


def move_that_nobody_was_told_of(scene: Scene) -> None:
    ClientEvent.objects.filter(kind="order.completed").delete()


def move_that_was_told_twice(scene: Scene) -> None:
    event = ClientEvent.objects.filter(kind="charge.captured").latest("pk")
    ClientEvent.objects.tell(event.kind, event.subject, event.data, client_id=event.client_id)


def event_out_of_the_middle(scene: Scene) -> None:
    ClientEvent.objects.filter(kind="charge.authorized").delete()


BREAKS: list[tuple[Callable[[Scene], None], str]] = [
    (second_capture_of_a_charge, "No order is charged more than its total, at any moment."),
    (
        refund_that_was_never_made,
        "In the end an order is paid in full, less what was refunded on request, or not at all.",
    ),
    (refund_nobody_asked_for, "In the end an order is paid in full, less what was refunded on request, or not at all."),
    (capture_of_another_charge, "At most one capture of an order is not refunded."),
    (capture_of_an_unknown_order, "Every capture belongs to an order here, or is refunded."),
    (capture_of_another_charge, "Every capture belongs to an order here, or is refunded."),
    (parcel_before_the_money, "Nothing is shipped unpaid."),
    (parcel_after_the_money_went_back, "Nothing is shipped unpaid."),
    (parcel_nobody_here_knows, "An order has one parcel on its way if it is completed, and none if it is not."),
    (parcel_called_back, "An order has one parcel on its way if it is completed, and none if it is not."),
    (step_done_twice, "No step is done twice at gateway or carrier, in either direction."),
    (authorization_nobody_voids, "No authorization is left standing when its order is over."),
    (movement_that_is_not_posted, "Every movement of the gateway is posted once, and every posting is a movement."),
    (posting_without_a_movement, "Every movement of the gateway is posted once, and every posting is a movement."),
    (order_that_believes_it_is_paid, "Charge, order and ledger say the same, and what the gateway says."),
    (charge_that_believes_it_is_refunded, "Charge, order and ledger say the same, and what the gateway says."),
    (amount_set_aside_for_nothing, "Charge, order and ledger say the same, and what the gateway says."),
    (posting_of_a_sale_that_was_none, "Charge, order and ledger say the same, and what the gateway says."),
    (
        saga_nobody_will_look_at,
        "Every saga is over, leased, paused, due at a time that comes, or in front of a person.",
    ),
    (
        saga_that_waits_for_ever,
        "Every saga is over, leased, paused, due at a time that comes, or in front of a person.",
    ),
    (
        saga_in_a_state_nobody_knows,
        "Every saga is over, leased, paused, due at a time that comes, or in front of a person.",
    ),
    (
        saga_that_is_over_and_leased,
        "Every saga is over, leased, paused, due at a time that comes, or in front of a person.",
    ),
    (order_left_in_the_middle, "An order is in checkout while its checkout is, and needs a person when that does."),
    (
        person_who_is_needed_for_nothing,
        "An order is in checkout while its checkout is, and needs a person when that does.",
    ),
    (step_left_open, "A saga that is over has no step left open."),
    (stock_from_nowhere, "Stock: what is available, held and sold is what there was."),
    (stock_held_for_nobody, "Stock: what is available, held and sold is what there was."),
    (write_after_the_end, "Nobody writes to a saga who has no lease, or has lost it."),
    (epoch_that_goes_down, "Nobody writes to a saga who has no lease, or has lost it."),
    *(
        (harm, "A client was told of every move of its orders, charges and refunds, once and in order.")
        for harm in (move_that_nobody_was_told_of, move_that_was_told_twice, event_out_of_the_middle)
    ),
    (
        other_bytes_for_a_replay,
        "The same key gets the same answer, to the byte, from the commit that ends its saga on.",
    ),
    (
        other_first_answer,
        "The same key gets the same answer, to the byte, from the commit that ends its saga on.",
    ),
    (
        answer_that_was_not_frozen,
        "The same key gets the same answer, to the byte, from the commit that ends its saga on.",
    ),
]


@pytest.mark.parametrize(("do_harm", "sentence"), BREAKS, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_broken_is_seen(scene: Scene, do_harm: Callable[[Scene], None], sentence: str) -> None:
    do_harm(scene)

    assert [line for line in violations(scene.doctored()) if line.startswith(sentence)]


def test_every_invariant_is_broken_here() -> None:
    assert {sentence for _, sentence in BREAKS} == set(INVARIANTS)


SAGA = UUID(int=1)
BEGUN = Write(7, SAGA, 1, "request:a", "running", "forward", 0)
STEP = Write(7, SAGA, 1, None, None, None, None)
TAKEN = Write(8, SAGA, 2, "worker:b", "running", "forward", 2, 1, "request:a", "running", "forward", 2)
MOVED = Write(8, SAGA, 2, "worker:b", "running", "forward", 5, 2, "worker:b", "running", "forward", 2)
TURNED = Write(8, SAGA, 2, "worker:b", "compensating", "compensating", 4, 2, "worker:b", "running", "forward", 5)
ENDED = Write(8, SAGA, 2, "", "compensated", "compensating", 0, 2, "worker:b", "compensating", "compensating", 4)
WHOLE = [BEGUN, STEP, TAKEN, MOVED, TURNED, ENDED]


def test_a_saga_that_is_taken_over_and_undone_has_no_intruders() -> None:
    assert list(witness.intrusions(WHOLE)) == []


@pytest.mark.parametrize(
    ("history", "wrong"),
    [
        ([BEGUN, TAKEN, STEP], "a write in epoch 1 when it was 2"),
        ([BEGUN, TAKEN, replace(STEP, epoch=2)], "in epoch 2, connection 8 had the lease and 7 wrote"),
        ([BEGUN, TAKEN, replace(MOVED, writer=7)], "in epoch 2, connection 8 had the lease and 7 wrote"),
        ([*WHOLE, replace(MOVED, was_owner="")], "a write in epoch 2 after the lease was let go"),
        ([BEGUN, TAKEN, MOVED, replace(MOVED, was_position=5, position=2)], "back from 5 to 2"),
        ([BEGUN, replace(TAKEN, epoch=3)], "the epoch went from 1 to 3"),
        ([BEGUN, replace(TAKEN, is_early=True)], "epoch 2 was claimed before the lease had lapsed"),
    ],
)
def test_an_intruder_is_seen(history: list[Write], wrong: str) -> None:
    assert wrong in [detail for _, detail in witness.intrusions(history)]
