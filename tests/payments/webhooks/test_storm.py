"""Nothing is lost and nothing is applied twice, whoever is killed while thousands of events come in."""

import os
import secrets
import time
from functools import partial
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Final

import pytest
from django.db.models import Count, F, Sum

from orders.models import Order
from payments.models import ChargeAttempt, GatewayOutcome, LedgerPosting, SagaExecution, WebhookEvent
from tests.payments.webhooks import storm
from tests.processes import wait_until

KILLS: Final = 9
"""At the least, however few events there are; each when so much of them has come in."""
QUICKEST: Final = 8
"""Events that are acted on in a second, at the very least, kills and pauses between two attempts included."""


@pytest.fixture
def chance() -> Random:
    """`PAYDESK_SEED`, to see again what was seen; a test that fails shows it."""
    seed = int(os.environ.get("PAYDESK_SEED") or secrets.randbits(32))
    print(f"PAYDESK_SEED={seed}")  # noqa: T201  # pytest shows it with a failure
    return Random(seed)


def test_no_event_is_lost_or_applied_twice_while_servers_and_workers_are_killed(
    process_environment: dict[str, str], tmp_path: Path, chance: Random, pytestconfig: pytest.Config
) -> None:
    charges = storm.make_charges(pytestconfig.getoption("--storm") // 2)
    events = [event for charge in charges for event in storm.events_of(charge)]
    started = time.monotonic()

    with storm.Site(process_environment, tmp_path).running() as site:
        sender = storm.Sender(site.url, events, chance)
        kinds = cycle((site.kill_web_process, site.kill_worker, site.kill_web_server))
        for share in sorted(chance.random() for _ in range(KILLS + len(events) // 250)):
            wait_until(partial(sender.has_come_to, share), seconds=600)
            next(kinds)(chance)
        sender.result()
        taken_in = time.monotonic() - started
        for _ in range(3):
            time.sleep(chance.uniform(0.5, 1.5))
            site.kill_worker(chance)
        wait_until(lambda: not storm.left(), seconds=60 + len(events) / QUICKEST)

    print(  # noqa: T201  # `pytest -s` shows it
        f"{len(events)} events, {sender.deliveries} deliveries answered 200, {sender.unanswered} sent in vain; killed:"
        f" {dict(site.kills)}; taken in within {taken_in:.0f} s, acted on within {time.monotonic() - started:.0f} s"
    )
    assert_each_was_taken_in_once(events, sender)
    assert_each_was_applied_once(charges)
    assert set(site.kills) == {"web process", "web server", "worker"}
    assert sender.unanswered > 0


def assert_each_was_taken_in_once(events: list[storm.Event], sender: storm.Sender) -> None:
    assert set(sender.answered) == {event.name for event in events}
    assert sorted(WebhookEvent.objects.values_list("event_id", flat=True)) == sorted(event.name for event in events)


def assert_each_was_applied_once(charges: list[ChargeAttempt]) -> None:
    total = sum(charge.amount_minor for charge in charges)
    moved = GatewayOutcome.objects.values_list("operation").annotate(Count("pk"), Sum("amount_minor"))

    assert sorted(moved) == [("authorize", len(charges), total), ("capture", len(charges), total)]
    posted = LedgerPosting.objects.aggregate(n=Count("pk"), of=Count("charge", distinct=True), sum=Sum("amount_minor"))
    assert posted == {"n": len(charges), "of": len(charges), "sum": total}
    exactly = {"status": "captured", "captured_minor": F("amount_minor"), "refunded_minor": 0}
    assert ChargeAttempt.objects.filter(**exactly).count() == len(charges)
    assert Order.objects.filter(paid_minor=F("amount_minor")).count() == len(charges)
    assert not SagaExecution.objects.exclude(definition="checkout").exists()
