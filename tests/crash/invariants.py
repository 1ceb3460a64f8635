"""What has to be true after any number of checkouts, whatever happened to them: sentences, each checked set-wise.

The gateway's own journal is the oracle. The database, and what clients were told, are held against it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

from django.db.models import Sum
from django.db.models.functions import Now

from orders.ids import format_id
from orders.models import Order, Reservation, Shipment, StockItem
from payments.models import ChargeAttempt, ClientEvent, IdempotencyKey, LedgerPosting, Refund, SagaExecution, SagaStep
from payments.models.client_events import KINDS
from payments.sagas.refund import REFUND
from payments.sagas.remedy import REMEDY
from payments.sagas.run import BACK_OFF
from tests.crash import witness
from tests.crash.world import IN_FRONT_OF_A_PERSON, World, money, order_of

Finding = tuple[str, str]
"""An order's id, and what is wrong with it."""
Check = Callable[[World], Iterator[Finding]]

INVARIANTS: Final[dict[str, Check]] = {}
HORIZON: Final = timedelta(days=8)
"""Longer than anything waits for: an authorization lasts seven days."""

State = SagaExecution.State
_KINDS: Final = {"charge": "capture", "refund": "refund"}


def invariant(sentence: str) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        INVARIANTS[sentence] = check
        return check

    return add


def violations(world: World) -> list[str]:
    """One line for each thing that is wrong: the sentence, the order, and in what way."""
    return [f"{sentence} {order}: {detail}" for sentence, check in INVARIANTS.items() for order, detail in check(world)]


@invariant("No order is charged more than its total, at any moment.")
def _never_more(world: World) -> Iterator[Finding]:
    sums: Counter[str] = Counter()
    for entry in world.done:
        sums[entry["order"]] += money(entry)
        order = world.orders.get(entry["order"])
        if order is not None and money(entry) > 0 and sums[entry["order"]] > order.amount_minor:
            yield order.public_id, f"{sums[entry['order']]} of {order.amount_minor} at entry {entry['sequence']}"


@invariant("In the end an order is paid in full, less what was refunded on request, or not at all.")
def _in_full_or_not_at_all(world: World) -> Iterator[Finding]:
    kept = world.moved("order") + world.given_back_on_request
    for order in world.orders.values():
        total, name = order.amount_minor, order.public_id
        allowed = {total} if order.status == Order.Status.COMPLETED else {0}
        if name not in world.over:
            allowed = {0, total}
        if kept[name] not in allowed:
            yield name, f"{order.status} with {kept[name]} of {total}"


@invariant("At most one capture of an order is not refunded.")
def _one_capture(world: World) -> Iterator[Finding]:
    orders = {entry["charge"]: entry["order"] for entry in world.done if entry["operation"] == "capture"}
    holding = Counter(orders[charge] for charge, left in world.moved("charge").items() if left > 0)
    yield from ((order, f"{count} captures") for order, count in holding.items() if count > 1)


@invariant("Every capture belongs to an order here, or is refunded.")
def _every_capture_has_an_order(world: World) -> Iterator[Finding]:
    known = set(ChargeAttempt.objects.values_list("gateway_reference", flat=True))
    left = world.moved("charge")
    for entry in world.done:
        if entry["operation"] == "capture" and left[entry["charge"]] > 0:
            order = entry["order"]
            if order not in world.orders or (order in world.over and entry["charge"] not in known):
                yield order, f"{entry['charge']} is captured and nobody here knows it"


@invariant("Nothing is shipped unpaid.")
def _nothing_unpaid(world: World) -> Iterator[Finding]:
    paid: Counter[str] = Counter()
    for entry in world.done:
        paid[entry["order"]] += money(entry)
        if entry["operation"] == "ship":
            order = world.orders.get(entry["order"])
            if order is None or paid[entry["order"]] < order.amount_minor:
                yield entry["order"], f"shipped with {paid[entry['order']]} captured, at entry {entry['sequence']}"


@invariant("An order has one parcel on its way if it is completed, and none if it is not.")
def _one_parcel(world: World) -> Iterator[Finding]:
    sent: Counter[str] = Counter()
    for entry in world.done:
        sent[entry["order"]] += {"ship": 1, "cancel_shipment": -1}.get(entry["operation"], 0)
    here = Counter(
        format_id(Order.PREFIX, pk)
        for pk in Shipment.objects.filter(status=Shipment.Status.SHIPPED).values_list("order_id", flat=True)
    )
    for name in world.over:
        expected = int(world.orders[name].status == Order.Status.COMPLETED)
        if (sent[name], here[name]) != (expected, expected):
            yield name, f"{world.orders[name].status}, {sent[name]} with the carrier, {here[name]} in the books"
    yield from ((name, f"{count} parcels") for name, count in sent.items() if count > 1)


@invariant("No step is done twice at gateway or carrier, in either direction.")
def _no_step_twice(world: World) -> Iterator[Finding]:
    steps = [(e["order"], (e["idempotency_key"] or "").rpartition(":")[0], e["operation"]) for e in world.done]
    counts = Counter(step for step in steps if step[1] and step[2] != "look_up")
    yield from ((order, f"{key} was done {n} times") for (order, key, _), n in counts.items() if n > 1)


@invariant("No authorization is left standing when its order is over.")
def _no_authorization_left(world: World) -> Iterator[Finding]:
    standing: dict[str, str] = {}
    for entry in world.done:
        if entry["operation"] in ("authorize", "authenticate"):
            standing[entry["charge"]] = entry["order"]
        elif entry["operation"] in ("capture", "void"):
            standing.pop(entry["charge"], None)
    yield from ((order, f"{charge} can still be captured") for charge, order in standing.items() if order in world.over)


@invariant("Every movement of the gateway is posted once, and every posting is a movement.")
def _posted_once(world: World) -> Iterator[Finding]:
    moved = {
        (row["reference"], _KINDS[row["type"]], row["transaction_id"], abs(row["gross"]), row["currency"])
        for row in world.movements
        if row["type"] in _KINDS
    }
    columns = ("charge__order_id", "kind", "transaction_id", "amount_minor", "currency")
    posted = {(format_id(Order.PREFIX, pk), *rest) for pk, *rest in LedgerPosting.objects.values_list(*columns)}
    for order, *what in moved - posted:
        if order not in world.under_way:
            yield order, f"not posted: {what}"
    yield from ((order, f"posted, but never moved: {what}") for order, *what in posted - moved)


@invariant("Charge, order and ledger say the same, and what the gateway says.")
def _books_agree(world: World) -> Iterator[Finding]:
    at_gateway = world.moved("charge")
    paid: Counter[str] = Counter()
    for charge in ChargeAttempt.objects.all():
        order, left = format_id(Order.PREFIX, charge.order_id), charge.captured_minor - charge.refunded_minor
        paid[order] += left
        if order in world.over and left != at_gateway[charge.gateway_reference]:
            yield order, f"{charge.public_id} has {left}, the gateway {at_gateway[charge.gateway_reference]}"
    booked = _booked()
    for name, known in world.orders.items():
        if not known.paid_minor == paid[name] == booked[name]:
            yield name, f"paid {known.paid_minor}, charges {paid[name]}, ledger {booked[name]}"
    yield from _pending_refunds()


def _booked() -> Counter[str]:
    """Sales less refunds, by order."""
    sums: Counter[str] = Counter()
    account = LedgerPosting.Account
    for pk, debit, credit, amount in LedgerPosting.objects.values_list(
        "charge__order_id", "debit", "credit", "amount_minor"
    ):
        sign = (credit == account.SALES) - (debit == account.REFUNDS)
        sums[format_id(Order.PREFIX, pk)] += sign * amount
    return sums


def _pending_refunds() -> Iterator[Finding]:
    undecided = Refund.objects.filter(status__in=[Refund.Status.PENDING, Refund.Status.UNKNOWN])
    sums = dict(undecided.values_list("charge").annotate(total=Sum("amount_minor")))
    for charge in ChargeAttempt.objects.all():
        if charge.refund_pending_minor != sums.get(charge.pk, 0):
            yield (
                format_id(Order.PREFIX, charge.order_id),
                f"{charge.refund_pending_minor} are set aside to be refunded",
            )


@invariant("Every saga is over, leased, paused, due at a time that comes, or in front of a person.")
def _nothing_forgotten(world: World) -> Iterator[Finding]:
    active = SagaExecution.objects.filter(state__in=SagaExecution.ACTIVE, is_paused=False)
    for saga in active.filter(next_run_at__gt=Now() + HORIZON):
        yield order_of(saga), f"{saga.public_id} is {saga.state} and nobody looks at it before {saga.next_run_at}"
    for saga in active.filter(state=State.WAITING, deadline_at=None).exclude(waiting_for=BACK_OFF):
        yield order_of(saga), f"{saga.public_id} waits for {saga.waiting_for} without an end"
    known = {*SagaExecution.ACTIVE, *SagaExecution.FINAL, *IN_FRONT_OF_A_PERSON}
    for saga in world.sagas.values():
        if saga.state not in known or (saga.state not in SagaExecution.ACTIVE and saga.lease_owner):
            yield order_of(saga), f"{saga.public_id} is {saga.state}, leased to {saga.lease_owner!r}"


@invariant("An order is in checkout while its checkout is, and needs a person when that does.")
def _orders_follow_sagas(world: World) -> Iterator[Finding]:
    checkouts: dict[str, set[str]] = defaultdict(set)
    for saga in world.sagas.values():
        if saga.definition not in (REFUND.name, REMEDY.name):
            checkouts[order_of(saga)].add(saga.state)
    for name, order in world.orders.items():
        states = checkouts[name]
        is_active, has_person = bool(states & set(SagaExecution.ACTIVE)), bool(states & set(IN_FRONT_OF_A_PERSON))
        if (order.status in Order.IN_CHECKOUT, order.status == Order.Status.NEEDS_ATTENTION) != (is_active, has_person):
            yield name, f"the order is {order.status}, its checkouts are {sorted(states)}"


@invariant("A saga that is over has no step left open.")
def _no_step_open(world: World) -> Iterator[Finding]:
    for step in SagaStep.objects.filter(state=SagaStep.State.STARTED, saga__state__in=SagaExecution.FINAL):
        saga = world.sagas[format_id(SagaExecution.PREFIX, step.saga_id)]
        yield order_of(saga), f"{saga.public_id} is {saga.state}, {step.name} ({step.direction}) is started"


@invariant("Stock: what is available, held and sold is what there was.")
def _stock_adds_up(world: World) -> Iterator[Finding]:
    kept = (
        Reservation.objects.exclude(state=Reservation.State.RELEASED).values_list("item_id").annotate(n=Sum("quantity"))
    )
    reserved = dict(kept)
    for sku, available in StockItem.objects.values_list("sku", "available"):
        if sku in world.stock and available + reserved.get(sku, 0) != world.stock[sku]:
            yield "", f"{sku}: {available} + {reserved.get(sku, 0)} instead of {world.stock[sku]}"
    for order_id, state in Reservation.objects.values_list("order_id", "state"):
        name = format_id(Order.PREFIX, order_id)
        is_sold = world.orders[name].status == Order.Status.COMPLETED
        if name in world.over and (
            state == Reservation.State.HELD or (state == "consumed") != (is_sold and state != "released")
        ):
            yield name, f"{world.orders[name].status} with stock {state}"


@invariant("Nobody writes to a saga who has no lease, or has lost it.")
def _no_stale_write(world: World) -> Iterator[Finding]:
    orders = {saga.pk: order_of(saga) for saga in world.sagas.values()}
    for saga, wrong in witness.intrusions(world.writes):
        yield orders.get(saga, str(saga)), wrong


@invariant("A client was told of every move of its orders, charges and refunds, once and in order.")
def _clients_are_told(world: World) -> Iterator[Finding]:
    told: dict[str, list[str]] = defaultdict(list)
    for event in ClientEvent.objects.order_by("subject", "sequence"):
        told[event.subject].append(event.kind)
        if event.sequence != len(told[event.subject]):
            yield event.subject, f"event {event.sequence} is the {len(told[event.subject])}th"
    rows: list[tuple[str, Any]] = [
        ("order", Order.objects.all()),
        ("charge", ChargeAttempt.objects.all()),
        ("refund", Refund.objects.all()),
    ]
    for what, row in ((what, row) for what, found in rows for row in found):
        kind, kinds = f"{what}.{row.status}", told[row.public_id]
        is_new = kind == "order.open" and not kinds
        if kind in KINDS and not is_new and (kinds[-1:] != [kind] or (what != "order" and kinds.count(kind) > 1)):
            yield row.public_id, f"it is {row.status}, and was told as {kinds}"


@invariant("The same key gets the same answer, to the byte, from the commit that ends its saga on.")
def _same_answer(world: World) -> Iterator[Finding]:
    frozen = {key.key: key for key in IdempotencyKey.objects.all()}
    for told in world.told:
        key = frozen.get(told.key)
        if told.is_final and (key is None or (told.status, told.body) != (key.status, bytes(key.answer))):
            yield told.key, f"{told.status} {told.body[:200]!r} is not what was frozen"
    for saga in SagaExecution.objects.filter(idempotency_key__isnull=False).select_related("idempotency_key"):
        if saga.state == State.RESOLVED:
            continue  # whether a person's decision answers the client is that decision's
        ended = saga.is_final
        if saga.idempotency_key is not None and saga.idempotency_key.is_frozen != ended:
            yield order_of(saga), f"{saga.public_id} is {saga.state}, its answer frozen: {not ended}"
