"""Many who want the same: each saga is claimed by one, and none is left."""

import time
from collections.abc import Callable

from payments.models import SagaEvent, SagaExecution
from tests.crash import chores
from tests.crash.matrix import row
from tests.crash.processes import task
from tests.crash.record import Tally
from tests.crash.shop import Purchase, Shop
from tests.crash.ways import FORWARD
from tests.payments.builders import begin_checkout

EIGHT = 8
SAGAS = 40
TIMERS, SOME_TIMERS = 10_000, 1_000
ROUNDS = 15


def begin(shop: Shop, count: int) -> list[Purchase]:
    purchases = [Purchase(shop, FORWARD) for _ in range(count)]
    for purchase in purchases:
        begin_checkout(purchase.order)
    return purchases


@row("eight processes claim forty checkouts that are due at once", holds="each is claimed once, and every invariant")
def test_of_eight_processes_each_gets_sagas_of_its_own(shop: Shop, tally: Tally) -> None:
    purchases = begin(shop, SAGAS)

    endings = shop.processes.together([task("resume")] * EIGHT)

    for purchase in purchases:
        tally.count()
        assert (purchase.checkout.state, purchase.checkout.epoch) == ("completed", 1)
        assert shop.done(purchase.order) == FORWARD.done
    assert sum(ending.rounds for ending in endings) == SAGAS
    shop.assert_all_is_well()


@row("two sweeps find the same row at the same moment", holds="one of them gets it")
def test_of_two_sweeps_one_gets_the_row(shop: Shop, tally: Tally) -> None:
    for _ in range(ROUNDS):
        (purchase,) = begin(shop, 1)

        endings = shop.processes.together([task("resume")] * 2)

        tally.count()
        assert sorted(ending.rounds for ending in endings) == [0, 1]
        assert (purchase.checkout.state, purchase.checkout.epoch) == ("completed", 1)
    shop.assert_all_is_well()


@row("ten thousand timers due at once, for four processes", holds="each rings once, none is lost")
def test_timers_that_are_due_at_once_ring_once(
    shop: Shop, tally: Tally, in_full: bool, record_property: Callable[[str, object], None]
) -> None:
    count = TIMERS if in_full else SOME_TIMERS
    chores.start(chores.TIMER, map(str, range(count)), state="waiting", waiting_for="the hour")
    started = time.perf_counter()

    endings = shop.processes.together([task("resume", rounds=count)] * 4)

    record_property("rate", round(count / (time.perf_counter() - started)))
    tally.cases = count
    assert sum(ending.rounds for ending in endings) == count
    assert set(SagaExecution.objects.values_list("state", "epoch", "cursor")) == {("completed", 1, 1)}
    rang = SagaEvent.objects.filter(kind="rang").values_list("saga_id", flat=True)
    assert (len(rang), len(set(rang))) == (count, count)
