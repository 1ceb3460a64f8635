"""Who is told of a saga that is due, and that telling is in nobody's way."""

import base64
import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from prometheus_client import REGISTRY
from pytest_django import Settings
from redis import Redis

from fraud.models import Decision
from orders.ids import new_id
from payments import nudges, reviews, services
from payments.gateways.base import Operation
from payments.models import GatewayOutcome, IdempotencyKey, SagaExecution
from payments.nudges import Publisher
from payments.outcomes import record_outcome
from tests.orders.builders import make_client, make_order
from tests.payments.builders import begin_checkout, exchange, order_of, run_checkout
from tests.payments.conftest import forget_adapters
from tests.payments.test_outcomes import make_charge, outcome_of
from tests.processes import free_port, wait_until
from tests.sandbox import ROOT, Sandbox
from tests.services import Service

FORK = """
import os, sys, uuid
import django
django.setup()
from payments.nudges import nudge

nudge(uuid.UUID(int=1))
sys.stdin.readline()
if os.fork() == 0:
    nudge(uuid.UUID(int=2))
sys.stdin.read()
os._exit(0)
"""


class Told:
    """The sagas that workers were told of, in order, as they stand in a broker's queue."""

    def __init__(self, broker: Service, queue: str) -> None:
        self._client = Redis.from_url(broker.url)
        self._queue = queue

    def __call__(self) -> list[UUID]:
        messages: list[bytes] = self._client.lrange(self._queue, 0, -1)  # type: ignore[assignment]  # or a coroutine
        bodies = [base64.b64decode(json.loads(message)["body"]) for message in reversed(messages)]
        return [UUID(json.loads(body)[0][0]) for body in bodies]

    def wait_for(self, *sagas: SagaExecution) -> None:
        """Exactly these, and no other meanwhile."""
        wait_until(lambda: len(self()) >= len(sagas))
        assert self() == [saga.pk for saga in sagas]


@pytest.fixture
def told(redis: Service, settings: Settings, transactional_db: None) -> Iterator[Told]:
    settings.CELERY_BROKER_URL = redis.url
    settings.CELERY_QUEUE = f"test-{new_id()}"
    nudges.begin_anew()
    yield Told(redis, settings.CELERY_QUEUE)
    nudges.begin_anew()


@pytest.fixture
def gateway(sandbox: Sandbox, settings: Settings) -> Iterator[Sandbox]:
    """The sandbox, for what this process does itself."""
    settings.SANDBOX_GATEWAY_URL = sandbox.url
    forget_adapters()
    yield sandbox
    forget_adapters()


def count(result: str) -> float:
    return REGISTRY.get_sample_value("paydesk_nudges_total", {"result": result}) or 0


class TestWhoIsTold:
    def test_a_checkout_that_nobody_carries_on(self, told: Told) -> None:
        told.wait_for(begin_checkout(make_order()))

    def test_no_checkout_that_its_request_carries_on(self, told: Told, gateway: Sandbox) -> None:
        order = make_order()
        key = IdempotencyKey.objects.create(client=order.client, key="key-1", fingerprint="made by a test")
        with transaction.atomic():
            run = services.start_checkout(order, services.Payment("tok_visa", "sandbox"), key=key, is_inline=True)
        services.carry_on(run)

        told.wait_for(begin_checkout(make_order()))

    def test_a_saga_that_was_let_go_before_its_end(self, told: Told, gateway: Sandbox) -> None:
        saga = begin_checkout(make_order())
        exchange(saga)

        told.wait_for(saga, saga)

    def test_a_saga_that_was_woken(self, told: Told, gateway: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_avs_partial")
        decision = Decision.objects.get(attempt=saga.public_id, stage="after_authorization")

        reviews.decide(decision, verdict="approve", by=make_client(), note="Spoke to the customer.")

        told.wait_for(saga, saga)

    def test_a_checkout_that_was_cancelled_while_it_waits(self, told: Told, gateway: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_3ds")

        with transaction.atomic():
            services.cancel_order(order_of(saga))

        told.wait_for(saga, saga)

    def test_a_remedy(self, told: Told) -> None:
        charge = make_charge("voided")

        with transaction.atomic():
            record_outcome(charge, outcome_of(charge, Operation.CAPTURE), source=GatewayOutcome.Source.WEBHOOK)

        told.wait_for(charge.saga, SagaExecution.objects.get(definition="remedy"))

    def test_nobody_before_the_commit_or_of_what_is_rolled_back(self, told: Told) -> None:
        saga = begin_checkout(make_order())
        with transaction.atomic():
            saga.wake()
            transaction.set_rollback(True)
        with transaction.atomic():
            saga.wake()
            told.wait_for(saga)

        told.wait_for(saga, saga)

    def test_nobody_where_there_is_no_broker(self, told: Told, settings: Settings) -> None:
        settings.CELERY_BROKER_URL = None
        before = count("sent"), count("failed"), count("dropped")

        begin_checkout(make_order())

        assert (count("sent"), count("failed"), count("dropped")) == before


class TestPublishing:
    def test_a_forked_process_publishes_too(self, redis: Service) -> None:
        environment = os.environ | {"CELERY_BROKER_URL": redis.url, "CELERY_QUEUE": "forked"}
        environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
        process = subprocess.Popen([sys.executable, "-c", FORK], cwd=ROOT, env=environment, stdin=subprocess.PIPE)
        told = Told(redis, "forked")
        with process:
            assert process.stdin
            wait_until(lambda: told() == [UUID(int=1)])

            process.stdin.write(b"now\n")
            process.stdin.flush()

            wait_until(lambda: told() == [UUID(int=1), UUID(int=2)])

    def test_a_broker_that_says_nothing_is_waited_for_by_nobody(self, settings: Settings) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=10) as silent:
            settings.CELERY_BROKER_URL = f"amqp://127.0.0.1:{silent.getsockname()[1]}"
            publisher, dropped, failed = Publisher(capacity=3), count("dropped"), count("failed")

            begun = time.monotonic()
            for _ in range(100):
                publisher.put(uuid4())
            seconds = time.monotonic() - begun

            assert seconds < nudges.PATIENCE_SECONDS / 2
            assert count("dropped") >= dropped + 96
            wait_until(lambda: (count("failed"), count("dropped")) == (failed + 1, dropped + 99))

    def test_a_broker_that_failed_is_left_alone_for_a_while_and_tried_again(
        self, redis: Service, settings: Settings
    ) -> None:
        settings.CELERY_BROKER_URL = redis.url
        client = Redis.from_url(redis.url)
        client.config_set("maxmemory", "1mb")
        publisher, failed, dropped, sent = Publisher(rest=3), count("failed"), count("dropped"), count("sent")
        publisher.put(uuid4())
        wait_until(lambda: count("failed") == failed + 1)

        publisher.put(uuid4())

        assert count("dropped") == dropped + 1
        client.config_set("maxmemory", "0")
        wait_until(lambda: (publisher.put(uuid4()), count("sent") > sent)[1])  # type: ignore[func-returns-value]

    def test_many_failures_are_one_line_in_the_log(self, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
        settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}"
        publisher, failed = Publisher(rest=0), count("failed")

        with caplog.at_level(logging.WARNING, "payments.nudges"):
            for number in range(1, 6):
                publisher.put(uuid4())
                wait_until(lambda number=number: count("failed") == failed + number)  # type: ignore[misc]

        assert len([record for record in caplog.records if "nudges_not_sent" in str(record.msg)]) == 1
