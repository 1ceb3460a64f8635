"""Both places a breaker is kept in decide alike."""

from collections.abc import Callable
from threading import Thread
from time import sleep

import pytest
from django.conf import settings as configured
from django.db import connection
from pytest_django import Settings

from orders.ids import new_id
from payments.gateways.resilience.redis_store import Redis
from payments.gateways.resilience.stores import LONGEST_SECONDS, Database, Standing, Store, pause_after
from payments.models import CircuitBreaker

pytestmark = pytest.mark.django_db

PAUSE = 0.2
AFTER = PAUSE + 0.05
LEASE = 30.0


@pytest.fixture(autouse=True)
def quick(settings: Settings) -> None:
    settings.GATEWAY_BREAKER_FAILURES = 3
    settings.GATEWAY_BREAKER_SECONDS = PAUSE


@pytest.fixture
def gateway() -> str:
    return f"gateway-{new_id()}"


@pytest.fixture(params=["database", "redis"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "database":
        return Database()
    if not configured.REDIS_URL:
        pytest.skip("there is no Redis in this run")
    return Redis(configured.REDIS_URL, meanwhile=Database())


def fail(store: Store, gateway: str, *, times: int = 3) -> list[int]:
    return [store.failed(gateway, probe="") for _ in range(times)]


def look(store: Store, gateway: str) -> Standing:
    return store.look(gateway)[gateway]


def admit(store: Store, gateway: str, probe: str = "me", *, lease: float = LEASE) -> Standing:
    return store.admit(gateway, probe=probe, lease=lease)


def test_a_gateway_nobody_knows_is_asked(store: Store, gateway: str) -> None:
    assert (admit(store, gateway), look(store, gateway)) == (Standing(), Standing())


def test_it_opens_at_the_last_of_so_many_failures(store: Store, gateway: str) -> None:
    assert fail(store, gateway) == [0, 0, 1]

    standing = admit(store, gateway)
    assert (standing.failures, standing.opened, standing.probe) == (3, 1, "")
    assert 0 < standing.wait <= PAUSE


def test_a_success_between_them_begins_the_count_anew(store: Store, gateway: str) -> None:
    fail(store, gateway, times=2)
    store.succeeded(gateway, probe="")

    assert fail(store, gateway, times=2) == [0, 0]


def test_after_the_wait_one_call_finds_out_and_nobody_else(store: Store, gateway: str) -> None:
    fail(store, gateway)
    sleep(AFTER)

    assert admit(store, gateway, "first") == Standing(3, 1, 0, "first")
    other = admit(store, gateway, "second")
    assert (other.probe, other.wait > 1) == ("first", True)


def test_a_probe_that_succeeds_closes_it(store: Store, gateway: str) -> None:
    fail(store, gateway)
    sleep(AFTER)
    admit(store, gateway)

    store.succeeded(gateway, probe="me")

    assert look(store, gateway) == Standing()


def test_a_probe_that_fails_leaves_it_open_for_twice_as_long(store: Store, gateway: str) -> None:
    fail(store, gateway)
    sleep(AFTER)
    admit(store, gateway)

    assert store.failed(gateway, probe="me") == 2

    assert PAUSE < admit(store, gateway).wait <= 2 * PAUSE


def test_a_probe_that_finds_out_nothing_lets_the_next_one_do_it(store: Store, gateway: str) -> None:
    fail(store, gateway)
    sleep(AFTER)
    admit(store, gateway)

    store.release(gateway, probe="me")

    assert admit(store, gateway, "next").probe == "next"


def test_a_prober_that_dies_is_followed_by_another_when_its_lease_is_over(store: Store, gateway: str) -> None:
    fail(store, gateway)
    sleep(AFTER)
    admit(store, gateway, "dead", lease=0.2)
    assert admit(store, gateway, "heir").wait > 0
    sleep(0.25)

    assert admit(store, gateway, "heir") == Standing(3, 1, 0, "heir")


@pytest.mark.parametrize("probe", ["", "stranger"])
def test_what_others_learned_before_moves_an_open_one_no_more(store: Store, gateway: str, probe: str) -> None:
    fail(store, gateway)
    before = look(store, gateway)

    store.succeeded(gateway, probe=probe)
    store.release(gateway, probe="stranger")
    store.failed(gateway, probe=probe)

    after = look(store, gateway)
    assert (after.failures, after.opened, after.wait <= before.wait) == (3, 1, True)


def test_however_often_probes_fail_the_next_one_is_two_minutes_away_at_most(settings: Settings) -> None:
    settings.GATEWAY_BREAKER_SECONDS = 10

    assert [pause_after(opened) for opened in (1, 2, 3, 4, 5, 400)] == [10, 20, 40, 80, 120, LONGEST_SECONDS]


def test_redis_doubles_up_to_the_same_limit(settings: Settings, gateway: str) -> None:
    if not configured.REDIS_URL:
        pytest.skip("there is no Redis in this run")
    settings.GATEWAY_BREAKER_SECONDS = 100
    store = Redis(configured.REDIS_URL, meanwhile=Database())
    fail(store, gateway)
    assert 99 < look(store, gateway).wait <= 100
    key = f"paydesk:breaker:{gateway}"
    client = store._scripts["look"].registered_client
    client.hset(key, mapping={"open_until": 0, "probe": "me", "probe_until": 0})

    store.failed(gateway, probe="me")

    assert 119 < look(store, gateway).wait <= 120


def test_without_redis_the_database_decides_and_redis_is_left_alone_for_a_while(gateway: str) -> None:
    store = Redis("redis://127.0.0.1:1/0", meanwhile=Database())

    assert fail(store, gateway) == [0, 0, 1]
    assert admit(store, gateway).wait > 0
    sleep(AFTER)
    assert admit(store, gateway).probe == "me"
    store.release(gateway, probe="me")
    admit(store, gateway)
    store.succeeded(gateway, probe="me")

    assert (look(store, gateway), look(Database(), gateway)) == (Standing(), Standing())


class Late(Database):
    """Others act right after each of its looks."""

    def __init__(self, *others: Callable[[], object]) -> None:
        self._others = list(others)

    def look(self, *gateways: str) -> dict[str, Standing]:
        standings = super().look(*gateways)
        if self._others:
            self._others.pop(0)()
        return standings


def test_whoever_is_second_in_the_same_moment_waits(gateway: str) -> None:
    fail(Database(), gateway)
    sleep(AFTER)
    late = Late(lambda: admit(Database(), gateway, "first"))

    standing = admit(late, gateway, "second")

    assert (standing.probe, standing.wait > 1) == ("first", True)


def test_whoever_comes_while_it_is_closed_is_let_through(gateway: str) -> None:
    fail(Database(), gateway)
    sleep(AFTER)
    late = Late(lambda: CircuitBreaker.objects.filter(gateway=gateway).update(opened=0, open_until=None))

    assert admit(late, gateway, "second").is_closed


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_the_probe(store: Store, gateway: str) -> None:
    fail(store, gateway)
    sleep(AFTER)
    probes: list[str] = []

    def ask(name: str) -> None:
        try:
            standing = admit(store, gateway, name)
            if standing.wait == 0:
                probes.append(name)
        finally:
            connection.close()

    threads = [Thread(target=ask, args=[f"thread-{number}"]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(probes) == 1
