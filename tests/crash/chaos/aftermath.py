"""When the faults are over: everything settles, and the world is judged."""

import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connection
from django.db.models import Q

from orders.models import Order, StockItem
from payments.models import SagaEvent, SagaExecution, WebhookEvent
from tests.config.builders import make_token
from tests.crash import witness
from tests.crash.chaos.clients import Clients
from tests.crash.chaos.plan import SCARCE, SKUS
from tests.crash.chaos.site import Site
from tests.crash.invariants import violations
from tests.crash.world import IN_FRONT_OF_A_PERSON, World

STOCK: Final = {**dict.fromkeys(SKUS, 1_000_000), SCARCE: 25}
PEOPLE: Final = {"client": "API client", "operator": "Operator"}


def prepare() -> dict[str, str]:
    """An empty shop, watched by the witness; the tokens of the people who work with it."""
    call_command("migrate", verbosity=0)
    StockItem.objects.bulk_create(StockItem(sku=sku, available=available) for sku, available in STOCK.items())
    tokens = {}
    for name, group in PEOPLE.items():
        user = User.objects.create(username=name)
        user.groups.set(Group.objects.filter(name=group))
        tokens[name] = make_token(user)
    witness.start()
    connection.close()
    return tokens


def settle(site: Site, *, patience: float) -> list[str]:
    """Wait until nothing is left that happens by itself; what is left when `patience`, in seconds, is over."""
    deadline = time.monotonic() + patience
    while (left := _left(site)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


def _left(site: Site) -> list[str]:
    active = SagaExecution.objects.filter(state__in=SagaExecution.ACTIVE)
    waiting = Q(waiting_for__in=("review", "customer_action"))
    left = {
        "sagas": active.exclude(waiting).count(),
        "webhooks here": WebhookEvent.objects.filter(status__in=WebhookEvent.OPEN).count(),
        "webhooks at the sandbox": _unsent(site),
    }
    return [f"{count} {what}" for what, count in left.items() if count]


def _unsent(site: Site) -> int:
    with sqlite3.connect(f"file:{site.sandbox.journal_path}?mode=ro", uri=True) as journal:
        count: int = journal.execute("SELECT count(*) FROM outbox WHERE state = 'pending'").fetchone()[0]
    return count


def judge(site: Site, clients: Clients) -> tuple[list[str], dict[str, Any]]:
    """What is wrong, and the figures of what was done."""
    world = World.of(site.sandbox, stock=STOCK, told=clients.told)
    wrong = violations(world)
    if clients.answers["500"]:
        wrong.append(f"No request is answered with 500. {clients.answers['500']} were")
    return wrong, _figures(world, site)


def _figures(world: World, site: Site) -> dict[str, Any]:
    log = (site.folder / "log").read_text(errors="replace")
    return {
        "orders": dict(Counter(order.status for order in world.orders.values()).most_common()),
        "people": _why_people_are_needed(),
        "remedies": sum(saga.definition == "remedy" for saga in world.sagas.values()),
        "refunds on request": sum(saga.definition == "refund" for saga in world.sagas.values()),
        "calls": len(world.entries),
        "unanswered calls": sum(not entry["answered"] for entry in world.entries),
        "leases taken over": sum(write.is_claim and bool(write.was_owner) for write in world.writes),
        "stale answers refused": log.count("stale_answer_dropped"),
        "writes watched": len(world.writes),
    }


def _why_people_are_needed() -> dict[str, int]:
    sagas = SagaExecution.objects.filter(state__in=IN_FRONT_OF_A_PERSON)
    reasons = Counter(
        f"{event.kind}: {event.reason}"
        for event in SagaEvent.objects.filter(saga__in=sagas, kind__in=IN_FRONT_OF_A_PERSON)
    )
    return dict(reasons.most_common())


def story(site: Site, wrong: Sequence[str]) -> list[str]:
    """What gateway and sagas remember of the orders that something is wrong with."""
    names = {order.public_id: order for order in Order.objects.all() if any(order.public_id in line for line in wrong)}
    lines = []
    for name, order in names.items():
        lines += ["", f"{name} ({order.status}, {order.paid_minor} of {order.amount_minor} paid)"]
        lines += [f"  gateway {_entry(entry)}" for entry in site.sandbox.journal() if entry["order"] == name]
        for saga in order.sagas.prefetch_related("steps", "events"):
            lines.append(f"  {saga.public_id} {saga.definition} {saga.state} at {saga.cursor}, epoch {saga.epoch}")
            lines += [f"    {s.name} {s.state} {s.outcome} x{s.attempts} {s.key} {s.error}" for s in saga.steps.all()]
            lines += [f"    {event.created_at:%H:%M:%S.%f} {event.kind} {event.reason}" for event in saga.events.all()]
    return lines


def _entry(entry: dict[str, Any]) -> str:
    names = ("sequence", "at", "operation", "idempotency_key", "amount", "result", "replayed", "answered")
    return " ".join(str(entry[name]) for name in names)
