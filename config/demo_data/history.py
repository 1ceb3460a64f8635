"""The demo's weeks of history: first into the sandbox's journal, then, from what it answers, into the database."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F

from config.demo_data.checkouts import PastCheckout
from config.demo_data.journal import Json, remember
from config.demo_data.plan import CURRENCY, IN_SANDBOX, Ending, Past, make_plan
from config.demo_data.records import Records, id_at
from fraud.facts import velocity_fact
from fraud.services import load_active_ruleset
from orders.ids import format_id
from orders.models import Order, StockItem

KEY: Final = "demo-history"
"""What the sandbox knows these charges by. A journal that has them answers with them, also to a new database."""


def is_loaded(client: User) -> bool:
    return Order.objects.filter(client=client, reference__startswith="demo-").exists()


def load_history(client: User, *, now: datetime) -> int:
    """Write the history of `client`, all or nothing, and return how many orders it has.

    Raise SandboxError, having written nothing, when the sandbox cannot be told.
    """
    plan = make_plan(now)
    paid = [past for past in plan if past.ending in IN_SANDBOX]
    charges = dict(zip((past.number for past in paid), remember([_as_charge(past) for past in paid]), strict=True))
    with transaction.atomic():
        _write(plan, client, charges)
    return len(plan)


def _as_charge(past: Past) -> Json:
    """What `POST /history` takes; `order` is the id that the order gets if the journal does not know it already."""
    return {
        "order": format_id(Order.PREFIX, id_at(past.at)),
        "amount": past.amount_minor,
        "currency": CURRENCY,
        "created_at": past.at.isoformat(),
        "settled_at": past.settled_at.isoformat(),
        "refunded_at": past.refunded_at.isoformat(),
        "outcome": IN_SANDBOX[past.ending],
        "amount_refunded": past.refunded_minor,
        "payment_method": past.payment_method,
        "idempotency_key": f"{KEY}-{past.number:03}",
    }


def _write(plan: Sequence[Past], client: User, charges: dict[int, Json]) -> None:
    ruleset = load_active_ruleset()
    velocity = {velocity_fact(window): 1 for window in ruleset.windows} if ruleset else {}
    records = Records()
    for past in plan:
        records.take(PastCheckout(past, client, charges.get(past.number), velocity).tell())
    records.write()
    _hold_stock(plan)


def _hold_stock(plan: Sequence[Past]) -> None:
    """What waits for a review is set aside."""
    held: Counter[str] = Counter()
    for past in plan:
        if past.ending == Ending.IN_REVIEW:
            held.update({bought.sku: bought.quantity for bought in past.bought})
    for sku, quantity in sorted(held.items()):
        StockItem.objects.filter(sku=sku).update(available=F("available") - quantity)
