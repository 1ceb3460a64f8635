"""A saga that does harm to whoever works on it harms nobody else, and ends in front of a person."""

from orders.models import Order
from payments.models import SagaExecution
from payments.sagas.engine import MAX_RECOVERIES
from tests.crash import chores
from tests.crash.matrix import row
from tests.crash.record import Tally
from tests.crash.shop import Purchase, Shop
from tests.crash.ways import FORWARD
from tests.payments.builders import begin_checkout, make_due
from tests.processes import wait_until, worker

HEALTHY = 99
RUBBISH = {"checkout_number": 1, "gateway": "sandbox", "payment_method": "tok_visa", "coupon": "SPRING"}
"""Nothing a checkout could have written: what a broken upgrade, or a hand in the database, leaves behind."""


@row(
    "a step that SIGKILLs its worker each time",
    holds=f"after {MAX_RECOVERIES} recoveries a person has it; each death counted",
)
def test_a_saga_that_kills_worker_after_worker_goes_to_a_person(shop: Shop, tally: Tally) -> None:
    chores.start(chores.KILLER, ["killer"])
    saga = SagaExecution.objects.get()

    for _ in range(MAX_RECOVERIES + 1):
        assert shop.processes.resume().killed
        make_due(saga)
        tally.count()
    last = shop.processes.resume()

    saga.refresh_from_db()
    assert (last.killed, saga.state, saga.lease_owner) == (False, "needs_attention", "")
    assert Order.objects.get(pk=saga.order_id).status == "needs_attention"
    assert shop.processes.resume().rounds == 0


@row(
    "one poisoned saga among a hundred, for a real worker",
    holds="ninety-nine complete, the hundredth is in front of a person; every invariant",
)
def test_one_poisoned_saga_is_in_nobodys_way(shop: Shop, crash_environment: dict[str, str], tally: Tally) -> None:
    purchases = [Purchase(shop, FORWARD) for _ in range(HEALTHY + 1)]
    sagas = [begin_checkout(purchase.order) for purchase in purchases]
    poisoned = sagas[0]
    SagaExecution.objects.filter(pk=poisoned.pk).update(context=RUBBISH)

    def all_have_ended() -> bool:
        make_due(poisoned)
        return not SagaExecution.objects.filter(state__in=SagaExecution.ACTIVE).exists()

    with worker(crash_environment):
        wait_until(all_have_ended, seconds=90)

    tally.cases = len(sagas)
    poisoned.refresh_from_db()
    assert poisoned.state == "needs_attention"
    # One more where the lease was made to lapse above while a worker was handing the saga over.
    assert poisoned.recoveries in (MAX_RECOVERIES + 1, MAX_RECOVERIES + 2)
    assert SagaExecution.objects.filter(state="completed").count() == HEALTHY
    shop.assert_all_is_well()
