"""Workers whose clocks are wrong: whatever counts is computed on the database's clock."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from payments.models import SagaExecution
from tests.crash.matrix import row
from tests.crash.processes import Point
from tests.crash.record import Tally
from tests.crash.shop import Purchase, Shop
from tests.crash.ways import AUTHENTICATED, FORWARD, REFUNDED, VOIDED, Checkout, Click
from tests.payments.builders import begin_checkout
from tests.processes import wait_until, worker

HOUR = 3600
A_WHILE = 2.0
"""Seconds in which the workers look at the database many times."""
CAPTURING = Point("POST /v1/charges/…/capture", "before", signal="SIGSTOP")


def worker_off_by(seconds: int) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.crash.wrong_clock", str(seconds), "worker", "--poll", "0.05")


def has_ended(purchase: Purchase) -> bool:
    return purchase.checkout.is_final


@row(
    "one worker's clock an hour ahead, the other's an hour behind",
    holds="no lease is taken early, no customer's time is cut short; every invariant",
)
def test_workers_whose_clocks_are_wrong_do_what_they_should(
    open_shop: Callable[..., Shop], crash_environment: dict[str, str], tally: Tally
) -> None:
    shop = open_shop(SAGA_LEASE_SECONDS="600")
    waiting, held = Purchase(shop, AUTHENTICATED), Purchase(shop, FORWARD)
    Checkout().perform(waiting)
    holder = Checkout().perform(held, die=CAPTURING)
    left_to_workers = [Purchase(shop, way) for way in (FORWARD, REFUNDED, VOIDED) for _ in range(3)]
    for purchase in left_to_workers:
        begin_checkout(purchase.order, purchase.way.payment_method)

    with ExitStack() as workers:
        for off_by in (HOUR, -HOUR):
            workers.enter_context(worker(crash_environment, command=worker_off_by(off_by)))
        wait_until(lambda: all(has_ended(purchase) for purchase in left_to_workers), seconds=60)
        time.sleep(A_WHILE)
        epoch = held.checkout.epoch
        still_waiting: Any = SagaExecution.objects.annotate(now=Now()).get(pk=waiting.checkout.pk)
        shop.note(held.key("checkout"), shop.processes.go_on(holder.stopped))
        Click("approve").perform(waiting)
        wait_until(lambda: has_ended(waiting) and has_ended(held), seconds=60)

    assert still_waiting.waiting_for == "customer_action"
    assert timedelta(minutes=25) < still_waiting.deadline_at - still_waiting.now <= timedelta(minutes=30)
    assert epoch == 1
    for purchase in (waiting, held, *left_to_workers):
        tally.count()
        purchase.order.refresh_from_db()
        assert (purchase.order.status, shop.done(purchase.order)) == (purchase.way.order_status, purchase.way.done)
    shop.assert_all_is_well()
