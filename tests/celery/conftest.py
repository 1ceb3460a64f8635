"""Brokers to be killed, filled and silenced, and Paydesk's processes beside them."""

import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest
from kombu import Connection

from tests import services
from tests.celery.shop import Shop
from tests.sandbox import Sandbox
from tests.services import Service


def started(name: str, broker: AbstractContextManager[Service | None]) -> Iterator[Service]:
    with broker as found:
        if found is None and os.environ.get("CI") == "true":
            pytest.fail(f"{name} is required here")
        if found is None:
            pytest.skip(f"there is no {name}")
        yield found


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox") / "journal.sqlite3") as sandbox:
        yield sandbox


@pytest.fixture
def redis() -> Iterator[Service]:
    """A server for one test: whatever becomes of it."""
    yield from started("redis-server", services.throwaway_redis())


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[Service]:
    yield from started("RabbitMQ", services.rabbitmq(os.environ))


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest, shop: Shop) -> Iterator[str]:
    """The address of each of the two in turn."""
    found: Service = request.getfixturevalue(request.param)
    yield found.url
    with Connection(found.url) as connection:
        connection.default_channel.queue_delete(shop.queue)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Where connections are accepted and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def shop(process_environment: dict[str, str], sandbox: Sandbox) -> Iterator[Shop]:
    yield Shop(process_environment, sandbox)
    sandbox.clear_faults()
