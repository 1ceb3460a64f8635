"""A client of Paydesk's processes: what it asks for, what it sends to their broker, and what must come of it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from subprocess import Popen
from typing import Any

import urllib3
from kombu import Connection, Producer, Queue

from config.celery import app
from orders.ids import new_id
from orders.models import Order
from payments.models import SagaExecution
from tests import processes
from tests.config.builders import bearer, make_token
from tests.orders.builders import make_client, make_order
from tests.payments.builders import begin_checkout
from tests.processes import wait_until
from tests.sandbox import Sandbox

TASK = "payments.tasks.advance"


class Shop:
    """Its processes and its messages share one queue, on whatever broker they are told."""

    def __init__(self, environment: Mapping[str, str], sandbox: Sandbox) -> None:
        self.queue = f"test-{new_id()}"
        self.sandbox = sandbox
        self.client = make_client()
        self._environment = {**environment, "SANDBOX_GATEWAY_URL": sandbox.url, "CELERY_QUEUE": self.queue}
        self._token = make_token(self.client)
        self._http = urllib3.PoolManager(retries=False, timeout=processes.PATIENCE_SECONDS)
        self._url = ""

    @contextmanager
    def web_server(self, broker: str) -> Iterator[None]:
        with processes.web_server(self._environment | {"CELERY_BROKER_URL": broker}) as self._url:
            yield

    @contextmanager
    def worker(self, broker: str, *, sweeps: bool = True, lives: bool = True) -> "Iterator[Popen[bytes]]":
        """A Celery worker; one that `lives` has to until it is told to end."""
        with processes.celery_worker(self._environment | {"CELERY_BROKER_URL": broker}, sweeps=sweeps) as process:
            yield process
            assert not lives or process.poll() is None, "the Celery worker did not live to the end"

    def order(self) -> Order:
        return make_order(self.client)

    def begin(self) -> SagaExecution:
        """A checkout that is due, and of which nobody has been told."""
        return begin_checkout(self.order())

    def checkout(self) -> tuple[Order, float]:
        """Check an order out without waiting for it; return it, and how many seconds the answer took."""
        order = self.order()
        headers = {**bearer(self._token), "Idempotency-Key": f"key-{new_id()}", "Prefer": "respond-async"}
        path = f"{self._url}/v1/orders/{order.public_id}/checkout"
        begun = time.monotonic()
        answer = self._http.request("POST", path, json={"payment_method": "tok_visa"}, headers=headers)
        assert answer.status == 202, answer.data
        return order, time.monotonic() - begun

    def nudge(self, broker: str, *sagas: SagaExecution) -> None:
        for saga in sagas:
            self.send(broker, str(saga.pk))

    def send(self, broker: str, *arguments: Any, task: str = TASK, **keywords: Any) -> None:
        """A task as Celery sends it."""
        with Connection(broker) as connection:
            app.send_task(
                task, arguments, keywords, queue=self.queue, connection=connection, ignore_result=True, retry=False
            )

    def post(self, broker: str, body: bytes, content_type: str, **headers: Any) -> None:
        """A message as nobody of ours sends it."""
        with Connection(broker) as connection:
            Producer(connection).publish(
                body,
                exchange="",
                routing_key=self.queue,
                declare=[Queue(self.queue)],
                content_type=content_type,
                content_encoding="binary",
                headers=headers,
            )

    def wait_until_done(self, *orders: Order) -> None:
        """Each order is paid and shipped, and was captured once."""
        numbers = [order.pk for order in orders]
        done = Order.objects.filter(pk__in=numbers, status=Order.Status.COMPLETED)
        wait_until(lambda: done.count() == len(numbers), seconds=60)
        for order in orders:
            assert self.effective(order) == ["authorize", "capture", "ship"]

    def effective(self, order: Order) -> list[str]:
        """What the gateway and the carrier have really done for it, in order."""
        done = [entry for entry in self.sandbox.journal() if entry["order"] == order.public_id]
        return [e["operation"] for e in done if (e["result"], e["replayed"]) == ("succeeded", False)
                and e["operation"] != "look_up"]  # fmt: skip
