"""An upgrade while sagas stand anywhere: nobody touches what he does not know, and who does know finishes it."""

from typing import Any

import pytest
from django.db.models import Model

from orders.models import Order, Reservation
from payments.models import ChargeAttempt, IdempotencyKey, Refund, SagaEvent, SagaExecution, SagaStep
from tests.crash import builds
from tests.crash.matrix import row
from tests.crash.processes import task
from tests.crash.record import Tally
from tests.crash.shop import Purchase, Shop
from tests.crash.test_matrix import unharmed
from tests.crash.ways import APPROVED, AUTHENTICATED, FORWARD, REFUNDED, VOIDED, Checkout, Way

MODELS: list[type[Model]] = [
    SagaExecution, SagaStep, SagaEvent, Order, ChargeAttempt, Refund, Reservation, IdempotencyKey,
]  # fmt: skip


def standing(shop: Shop, way: Way) -> list[Purchase]:
    """Purchases whose process died at each point of the way, one at each, and nobody has taken over."""
    left = []
    for act, point in unharmed(shop, way)[1]:
        purchase = Purchase(shop, way)
        for earlier in way.acts[:act]:
            earlier.perform(purchase)
        assert way.acts[act].perform(purchase, die=point.at("after")).killed
        if purchase.has_begun("checkout") and not purchase.checkout.is_final:
            purchase.let_leases_lapse()
            left.append(purchase)
    for purchase in left:
        purchase.let_leases_lapse()  # a worker that was killed later may have taken the saga of an earlier one
    return left


def everything() -> dict[str, list[dict[str, Any]]]:
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in MODELS}


@row(
    "upgrade while a saga stands at each point, to a build that has forgotten its version",
    holds="nothing of it is touched, by worker, request or delivery; a build with both versions finishes all",
)
@pytest.mark.parametrize("way", [FORWARD, REFUNDED, VOIDED, APPROVED, AUTHENTICATED], ids=str)
def test_what_a_build_does_not_know_it_leaves_to_one_that_does(shop: Shop, way: Way, tally: Tally) -> None:
    purchases = standing(shop, way)
    before = everything()

    for purchase in purchases:
        Checkout().perform(purchase, build=builds.NEXT)
        shop.processes.together([task("deliver", saga=str(purchase.checkout.pk), build=builds.NEXT)])
        tally.count()
    ending = shop.processes.resume(build=builds.NEXT)

    assert (ending.rounds, everything()) == (0, before)
    for purchase in purchases:
        finish(purchase)
        assert purchase.checkout.version == 1
        assert (purchase.end()["order"][0], shop.done(purchase.order)) == (way.order_status, way.done)
    shop.assert_all_is_well()


def finish(purchase: Purchase) -> None:
    """A build with both versions carries the rest of the way on."""
    purchase.shop.processes.resume(build=builds.BOTH)
    for act in purchase.way.acts:
        act.perform(purchase)
    purchase.finish()


@row("a checkout begun by the new build beside those of the old", holds="it takes the new version's steps")
def test_what_is_begun_after_the_upgrade_has_the_new_steps(shop: Shop) -> None:
    old = standing(shop, FORWARD)
    new = Purchase(shop, FORWARD)

    answer = Checkout().perform(new, build=builds.NEXT)

    assert (answer.status, new.checkout.version) == (201, 2)
    assert SagaEvent.objects.filter(saga=new.checkout, kind="gift_wrapped").exists()
    assert {purchase.checkout.state for purchase in old} == {"running"}
