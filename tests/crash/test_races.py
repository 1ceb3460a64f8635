"""A client who cancels just when the order completes: one of the two happens, and the money follows."""

from random import Random

import pytest

from orders.models import Order
from tests.crash.matrix import row
from tests.crash.record import Tally
from tests.crash.shop import Purchase, Shop
from tests.crash.test_leases import outside_transactions
from tests.crash.test_matrix import unharmed
from tests.crash.ways import FORWARD, Cancel, Checkout

RACES = 12


def assert_one_of_the_two_happened(purchase: Purchase) -> None:
    purchase.finish()
    purchase.order.refresh_from_db()
    done = purchase.shop.done(purchase.order)
    if purchase.order.status == Order.Status.COMPLETED:
        assert done == FORWARD.done
    else:
        assert purchase.order.status == Order.Status.CANCELLED
        assert (done["capture"], done["authorize"]) == (done["refund"], done["capture"] + done["void"])


@row(
    "the order is cancelled at each point of its checkout",
    holds="cancelled with nothing kept, or completed; every invariant",
)
def test_a_cancellation_at_any_point_is_honoured_or_comes_too_late(
    shop: Shop, tally: Tally, subtests: pytest.Subtests
) -> None:
    ends = set()
    for point in outside_transactions(unharmed(shop, FORWARD)[1]):
        with subtests.test(f"cancelled {point}"):
            purchase = Purchase(shop, FORWARD)
            stopped = Checkout().perform(purchase, die=point)

            Cancel().perform(purchase)
            shop.note(purchase.key("checkout"), shop.processes.go_on(stopped.stopped))

            tally.count()
            assert_one_of_the_two_happened(purchase)
            ends.add(purchase.order.status)
    assert ends == {Order.Status.CANCELLED, Order.Status.COMPLETED}
    shop.assert_all_is_well()


@row(
    "checkout and cancellation sent at the same moment, again and again",
    holds="cancelled with nothing kept, or completed; every invariant",
)
def test_checkout_and_cancellation_at_once(shop: Shop, tally: Tally, chance: Random) -> None:
    for _ in range(RACES):
        purchase = Purchase(shop, FORWARD)
        requests = [Checkout().task(purchase), Cancel().task(purchase)]
        chance.shuffle(requests)

        shop.processes.together(requests)

        tally.count()
        Checkout().perform(purchase)
        assert_one_of_the_two_happened(purchase)
    shop.assert_all_is_well()
