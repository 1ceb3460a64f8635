"""A broker that is away, silent, full or emptied costs time and nothing else: no request waits, no saga is lost."""

import socket
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.celery.shop import Shop
from tests.processes import free_port, wait_until
from tests.services import Service

SOON_SECONDS = 1.5
"""Less than anybody would wait who asked such a broker."""


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Where connections are accepted, and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield int(server.getsockname()[1])


def client_of(redis: Service) -> "Redis":
    """Does to it what an operator, or fate, may do."""
    return Redis.from_url(redis.url)


def assert_checkouts_go_well(shop: Shop) -> None:
    answers = [shop.checkout() for _ in range(3)]
    shop.wait_until_done(*(order for order, _ in answers))
    assert min(seconds for _, seconds in answers) < SOON_SECONDS


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_was_never_there(shop: Shop, scheme: str) -> None:
    broker = f"{scheme}://127.0.0.1:{free_port()}"

    with shop.worker(broker), shop.web_server(broker):
        assert_checkouts_go_well(shop)


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_accepts_and_never_answers(shop: Shop, scheme: str, silent_port: int) -> None:
    broker = f"{scheme}://127.0.0.1:{silent_port}"

    with shop.worker(broker), shop.web_server(broker):
        assert_checkouts_go_well(shop)


def test_a_broker_that_dies_in_between(shop: Shop, redis: Service) -> None:
    with shop.worker(redis.url), shop.web_server(redis.url):
        assert_checkouts_go_well(shop)
        client_of(redis).shutdown(nosave=True)

        assert_checkouts_go_well(shop)


def test_a_broker_that_forgets_what_it_was_told(shop: Shop, redis: Service) -> None:
    client = client_of(redis)
    with shop.web_server(redis.url):
        order, _ = shop.checkout()
        wait_until(lambda: client.llen(shop.queue) == 1)
        client.flushall()

    with shop.worker(redis.url):
        shop.wait_until_done(order)


def test_a_redis_that_is_full(shop: Shop, redis: Service) -> None:
    client = client_of(redis)
    client.config_set("maxmemory", "1mb")
    with shop.worker(redis.url), shop.web_server(redis.url):
        assert_checkouts_go_well(shop)
        client.config_set("maxmemory", "0")

        assert_it_listens(shop, redis, client)


def test_a_redis_that_stalls(shop: Shop, redis: Service) -> None:
    client = client_of(redis)
    with shop.worker(redis.url), shop.web_server(redis.url):
        assert_it_listens(shop, redis, client)
        client.client_pause(8000)

        assert_checkouts_go_well(shop)

        assert_it_listens(shop, redis, client)
    # A nudge that is kept until it is acknowledged fills the worker's hands for ever when that times out.
    keeping = {"cmdstat_zadd", "cmdstat_hset"}
    assert keeping.isdisjoint(client.info("commandstats"))


def test_a_rabbitmq_under_an_alarm(shop: Shop, rabbitmq: Service) -> None:
    if rabbitmq.control is None:
        pytest.skip("only a node of its own may be alarmed")
    rabbitmq.control("set_vm_memory_high_watermark", "absolute", "1")
    try:
        with shop.worker(rabbitmq.url), shop.web_server(rabbitmq.url):
            assert_checkouts_go_well(shop)
    finally:
        rabbitmq.control("set_vm_memory_high_watermark", "0.4")


def assert_it_listens(shop: Shop, redis: Service, client: "Redis") -> None:
    """The worker takes what comes, now that the broker is well."""
    for _ in range(3):
        shop.nudge(redis.url, shop.begin())
    wait_until(lambda: client.llen(shop.queue) == 0)
