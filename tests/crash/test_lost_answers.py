"""The answer does not come: from the database, from the gateway, from whoever would know what became of it."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.db.models.functions import Now

from payments.models import SagaStep
from tests.crash.matrix import POSTGRESQL, row
from tests.crash.proxy import Proxy
from tests.crash.record import Tally
from tests.crash.shop import Purchase, Shop
from tests.crash.test_matrix import SIDES, unharmed
from tests.crash.ways import APPROVED, CANCELLED, FORWARD, GIVEN_BACK, REFUNDED, VOIDED, Checkout, Way
from tests.payments.builders import LONG_AGO

OpenShop = Callable[..., Shop]

IMPATIENT = {"GATEWAY_TIMEOUT_SECONDS": "0.3", "CHECKOUT_WAIT_SECONDS": "0.4"}
FAULTS = ("drop_before", "drop_after", "reset_after", "status_500", "status_429", "garbage")
OPERATIONS = {"authorize": FORWARD, "capture": FORWARD, "ship": FORWARD, "refund": REFUNDED, "void": VOIDED}
"""A way on which each is asked for."""


@pytest.fixture
def proxy(crash_environment: dict[str, str]) -> Iterator[Proxy]:
    if connection.vendor != "postgresql":
        pytest.skip("between Paydesk and SQLite there is nothing that could be lost")
    with Proxy(crash_environment["DATABASE_URL"]) as proxy:
        yield proxy


@row(
    "the connection to the database breaks at each COMMIT: before it, or after it and its answer lost",
    databases=POSTGRESQL,
)
@pytest.mark.parametrize("when", SIDES)
@pytest.mark.parametrize("way", [FORWARD, REFUNDED, VOIDED, APPROVED, CANCELLED, GIVEN_BACK], ids=str)
def test_whether_a_commit_stands_is_found_out_and_not_guessed(
    open_shop: OpenShop, proxy: Proxy, way: Way, when: str, tally: Tally, subtests: pytest.Subtests
) -> None:
    shop = open_shop(DATABASE_URL=proxy.url)
    end, _ = unharmed(shop, way)
    for act, number in commits(shop, way, proxy):
        with subtests.test(f"{way}: {when} commit {number} of act {act}"):
            purchase = Purchase(shop, way)
            for earlier in way.acts[:act]:
                earlier.perform(purchase)

            proxy.lose(number, when)
            way.acts[act].perform(purchase)
            purchase.let_leases_lapse()
            purchase.finish()
            for later in way.acts[act:]:
                later.perform(purchase)
            purchase.finish()

            tally.count()
            assert proxy.lost == 1
            assert purchase.end() == end
    assert {told.status for told in shop.told} <= {200, 201, 202, 402, 409, 503}
    shop.assert_all_is_well()


def commits(shop: Shop, way: Way, proxy: Proxy) -> list[tuple[int, int]]:
    """Each COMMIT of an unharmed purchase, by its act and its number in it."""
    purchase, found = Purchase(shop, way), []
    for number, act in enumerate(way.acts):
        proxy.count()
        act.perform(purchase)
        found += [(number, commit) for commit in range(proxy.commits)]
    return found


@row(
    "each kind of missing answer at each operation, with the look-up up, and with the look-up down too",
    holds="ends as unharmed, and every invariant",
)
@pytest.mark.parametrize("look_up", ["up", "down"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_without_an_answer_is_looked_up_and_done_once(
    open_shop: OpenShop, operation: str, look_up: str, tally: Tally, subtests: pytest.Subtests
) -> None:
    shop, way = open_shop(**IMPATIENT), OPERATIONS[operation]
    end, _ = unharmed(shop, way)
    for fault in FAULTS:
        with subtests.test(f"{fault} at {operation}, look-up {look_up}"):
            purchase = Purchase(shop, way)
            shop.sandbox.fault(fault, operation=operation, times=1)
            if look_up == "down":
                shop.sandbox.fault("status_500", operation="look_up")

            Checkout().perform(purchase)
            shop.sandbox.clear_faults()
            purchase.finish()

            tally.count()
            assert purchase.end() == end
    shop.assert_all_is_well()


@row(
    "the gateway has forgotten its idempotency keys, and the request is older than that",
    holds="never sent again; a person decides",
)
@pytest.mark.parametrize("operation", ["authorize", "capture", "refund", "void"])
def test_a_request_whose_key_may_be_forgotten_is_not_sent_again(
    open_shop: OpenShop, operation: str, tally: Tally
) -> None:
    shop = open_shop(**IMPATIENT)
    purchase = Purchase(shop, OPERATIONS[operation])
    shop.sandbox.fault("drop_before", operation=operation, times=1)
    shop.sandbox.fault("status_500", operation="look_up")
    Checkout().perform(purchase)
    done = shop.done(purchase.order)

    shop.sandbox.clear_faults()
    shop.sandbox.fault("forget_keys")
    SagaStep.objects.filter(saga=purchase.checkout, state="started").update(key_first_used_at=Now() - 48 * LONG_AGO)
    purchase.finish()

    tally.count()
    assert (purchase.checkout.state, shop.done(purchase.order)) == ("needs_attention", done)
    shop.assert_all_is_well()
