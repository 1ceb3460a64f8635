"""A broker carries nudges, late, often and in any order, or not at all."""

from collections.abc import Callable, Iterator
from random import Random

from payments.models import SagaExecution
from tests.crash.matrix import row
from tests.crash.processes import task
from tests.crash.record import Tally
from tests.crash.shop import Purchase, Shop
from tests.crash.ways import FORWARD, REFUNDED, VOIDED, Checkout
from tests.payments.builders import begin_checkout
from tests.processes import free_port

TIMES = 5
ORDERS = 6

OpenShop = Callable[..., Shop]


def begun(shop: Shop) -> list[Purchase]:
    """Checkouts that somebody was told to carry on."""
    purchases = [Purchase(shop, way) for way in (FORWARD, REFUNDED, VOIDED) for _ in range(ORDERS // 3)]
    for purchase in purchases:
        begin_checkout(purchase.order, purchase.way.payment_method)
    return purchases


def messages(purchases: list[Purchase], chance: Random) -> Iterator[list[dict[str, object]]]:
    """Each saga's message so often, in no order, so many of them delivered at once."""
    sent = [task("deliver", saga=str(purchase.checkout.pk)) for purchase in purchases for _ in range(TIMES)]
    chance.shuffle(sent)
    for first in range(0, len(sent), TIMES):
        yield sent[first : first + TIMES]


def assert_each_went_its_way(purchases: list[Purchase]) -> None:
    for purchase in purchases:
        purchase.order.refresh_from_db()
        assert (purchase.order.status, purchase.shop.done(purchase.order)) == (
            purchase.way.order_status, purchase.way.done,
        )  # fmt: skip
    purchases[0].shop.assert_all_is_well()


@row("the same task delivered five times at once", holds="one delivery does the work, the others nothing")
def test_of_five_deliveries_at_once_one_does_the_work(shop: Shop, tally: Tally) -> None:
    purchases = begun(shop)
    for purchase in purchases:
        shop.processes.together([task("deliver", saga=str(purchase.checkout.pk))] * TIMES)
        tally.count()

        assert purchase.checkout.epoch == 1
    assert_each_went_its_way(purchases)


@row("each task delivered five times, among others, in no order")
def test_deliveries_in_no_order_change_nothing(shop: Shop, tally: Tally, chance: Random) -> None:
    purchases = begun(shop)
    for at_once in messages(purchases, chance):
        shop.processes.together(at_once)
        tally.count()

    assert {purchase.checkout.epoch for purchase in purchases} == {1}
    assert_each_went_its_way(purchases)


@row("the broker refused after the commit that begins a checkout", holds="202, and the sweep finds the saga")
def test_a_broker_that_is_away_loses_nothing(open_shop: OpenShop) -> None:
    shop = open_shop(CELERY_BROKER_URL=f"amqp://guest:guest@127.0.0.1:{free_port()}//")
    purchase = Purchase(shop, FORWARD)

    answer = purchase.shop.post(
        Checkout().path(purchase), purchase.way.payment, key=purchase.key("checkout"), prefer="respond-async"
    )
    assert (answer.status, purchase.checkout.state) == (202, SagaExecution.State.PENDING)
    shop.processes.resume()

    assert_each_went_its_way([purchase])
