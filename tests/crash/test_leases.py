"""A process that stands still: somebody else takes its saga, and when it goes on, nobody listens to it."""

import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from payments.models import SagaExecution
from tests.crash.matrix import POSTGRESQL, row
from tests.crash.processes import Point, Step
from tests.crash.record import Tally
from tests.crash.shop import Purchase, Shop
from tests.crash.test_matrix import unharmed
from tests.crash.ways import FORWARD, REFUNDED, VOIDED, Cancel, Checkout, Way

BEFORE_AUTHORIZING = Point("POST /v1/charges", "before", signal="SIGSTOP")
BEFORE_SHIPPING = Point("POST /v1/shipments", "before", signal="SIGSTOP")
CAPTURE = Step("checkout", "forward", "capture_payment")
SHORT_LEASE = {"GATEWAY_TIMEOUT_SECONDS": "0.2", "SAGA_LEASE_SECONDS": "2.45"}
LAPSED_SECONDS = 2.6

OpenShop = Callable[..., Shop]


def outside_transactions(points: list[tuple[int, Point]]) -> Iterator[Point]:
    """Where a process can stand still without holding anybody up."""
    for _, point in points:
        if not point.is_commit:
            yield point.at("before", signal="SIGSTOP")
        yield point.at("after", signal="SIGSTOP")


@row(
    "SIGSTOP of the lease's holder at any point; the lease lapses, a worker finishes, SIGCONT",
    holds="the stale process is fenced: ends as unharmed, and every invariant",
)
@pytest.mark.parametrize("way", [FORWARD, REFUNDED, VOIDED], ids=str)
def test_whoever_stood_still_too_long_is_fenced(shop: Shop, way: Way, tally: Tally, subtests: pytest.Subtests) -> None:
    end, points = unharmed(shop, way)
    for point in outside_transactions(points):
        with subtests.test(f"{way}: stopped {point}"):
            purchase = Purchase(shop, way)
            stopped = purchase.stand_still(point)

            purchase.finish()
            answer = purchase.go_on(stopped)

            tally.count(point)
            assert answer.status == end["answer"]
            assert purchase.end() == end
    shop.assert_all_is_well()


@row(
    "SIGSTOP before the authorization is sent; the order is cancelled, SIGCONT: it is sent after all",
    holds="the late authorization is voided by a remedy",
)
def test_what_is_sent_after_the_order_was_cancelled_is_undone(shop: Shop) -> None:
    purchase = Purchase(shop, FORWARD)
    stopped = purchase.stand_still(BEFORE_AUTHORIZING)
    Cancel().perform(purchase)
    purchase.finish()
    assert (purchase.checkout.state, shop.done(purchase.order)) == ("compensated", {})

    purchase.go_on(stopped)
    purchase.finish()

    assert (purchase.end()["order"], shop.done(purchase.order)) == (("cancelled", 0), {"authorize": 1, "void": 1})
    assert SagaExecution.objects.get(order=purchase.order, definition="remedy").state == "completed"
    shop.assert_all_is_well()


@row(
    "SIGSTOP before the parcel is handed over; the order is cancelled, SIGCONT: it is handed over after all",
    holds="a remedy calls the parcel back, which no lease could keep from leaving unpaid where the refund was quicker",
)
@pytest.mark.parametrize("is_over", [True, False], ids=["after the refund", "before the refund"])
def test_what_is_shipped_after_the_order_was_cancelled_is_called_back(shop: Shop, is_over: bool) -> None:
    purchase = Purchase(shop, FORWARD)
    stopped = purchase.stand_still(BEFORE_SHIPPING)
    Cancel().perform(purchase)
    if not is_over:
        shop.sandbox.fault("status_429", operation="refund")
    purchase.finish()
    assert purchase.checkout.direction == "compensating"
    assert (purchase.checkout.state == "compensated") == is_over

    purchase.go_on(stopped)
    shop.sandbox.clear_faults()
    purchase.finish()

    done = {"authorize": 1, "capture": 1, "refund": 1, "ship": 1, "cancel_shipment": 1}
    assert (purchase.end()["order"], shop.done(purchase.order)) == (("cancelled", 0), done)
    assert SagaExecution.objects.get(order=purchase.order, definition="remedy").state == "completed"
    sentences = [violation.partition(".")[0] for violation in shop.violations()]
    assert sentences == (["Nothing is shipped unpaid"] if is_over else [])


@row(
    "SIGSTOP inside a transaction; the lease lapses, SIGCONT",
    holds="no other worker gets the saga or waits for it, and its holder finishes",
    databases=POSTGRESQL,
)
def test_a_transaction_that_stands_still_keeps_its_saga(open_shop: OpenShop, tally: Tally) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite whoever is inside a transaction holds the whole database")
    shop = open_shop(**SHORT_LEASE)
    end, points = unharmed(shop, FORWARD)
    for capturing in (point for _, point in points if point.is_commit and CAPTURE in point.steps):
        purchase = Purchase(shop, FORWARD)
        ending = Checkout().perform(purchase, die=capturing.at("before", signal="SIGSTOP"))
        time.sleep(LAPSED_SECONDS)  # the row is locked: no test can move it

        others = shop.processes.resume()
        answer = purchase.go_on(ending.stopped)

        tally.count(capturing.at("before"))
        assert (others.rounds, answer.status) == (0, 201)
        assert purchase.end() == end
    shop.assert_all_is_well()
