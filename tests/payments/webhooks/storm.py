"""Thousands of events for a web server and a worker that are killed meanwhile: who sends them, and who kills."""

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from typing import Any, Final, Self

import urllib3
from urllib3.exceptions import HTTPError

from orders.models import Order
from payments.models import ChargeAttempt, SagaExecution, WebhookEvent
from payments.sandbox.signing import sign
from tests.crash.chaos.site import Kept
from tests.orders.builders import make_client
from tests.processes import WEB_SERVER, free_port, wait_until

SECRET: Final = "whsec_storm"
WORKER: Final = (sys.executable, "manage.py", "worker", "--poll", "0.1")
SENDERS: Final = 8
DUPLICATES: Final = 0.2
LEAST: Final = 1_000
"""Minor units of the first charge; each has one more, so that no two sums are alike by chance."""


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    body: bytes


def make_charges(number: int) -> list[ChargeAttempt]:
    """Charges nobody has heard of since they were begun, whose sagas are over: what events tell is all there is."""
    client = make_client()
    facts = {"client": client, "currency": "USD", "customer_id": "c", "customer_email": "jo@example.com"}
    orders = Order.objects.bulk_create(
        Order(amount_minor=LEAST + n, status=Order.Status.PAYMENT_FAILED, **facts) for n in range(number)
    )
    sagas = SagaExecution.objects.bulk_create(
        SagaExecution(order=order, definition="checkout", version=1, business_key=str(order.pk), state="completed")
        for order in orders
    )
    return ChargeAttempt.objects.bulk_create(
        ChargeAttempt(
            order=saga.order, saga=saga, gateway="sandbox", gateway_reference=f"sch_{n}", currency="USD",
            amount_minor=saga.order.amount_minor,
        )
        for n, saga in enumerate(sagas)
    )  # fmt: skip


def events_of(charge: ChargeAttempt) -> Iterator[Event]:
    """The authorization and the capture, each under a name of its own."""
    facts = {"id": charge.gateway_reference, "status": "captured"}
    for operation in ("authorize", "capture"):
        name = f"{operation}-{charge.gateway_reference}"
        moved = {"id": f"stx_{name}", "operation": operation, "status": "succeeded", "amount": charge.amount_minor}
        data = {"charge": facts, "operation": {**moved, "currency": charge.currency}}
        yield Event(name, json.dumps({"id": name, "type": f"charge.{operation}d", "data": data}).encode())


class Sender:
    """The gateway: what is not answered 200 is sent again, until it is. `answered` counts the 200s of each event."""

    def __init__(self, url: str, events: Sequence[Event], chance: Random) -> None:
        self.answered: Counter[str] = Counter()
        self.unanswered = 0
        deliveries = [*events, *chance.sample(list(events), int(len(events) * DUPLICATES))]
        chance.shuffle(deliveries)
        self.deliveries = len(deliveries)
        self._url = f"{url}/v1/webhooks/sandbox"
        self._waiting: SimpleQueue[Event] = SimpleQueue()
        for event in deliveries:
            self._waiting.put(event)
        self._lock = threading.Lock()
        self._http = urllib3.PoolManager(maxsize=SENDERS, retries=False, timeout=5.0)
        self._pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="sender")
        self._futures = [self._pool.submit(self._send_all) for _ in range(SENDERS)]

    def has_come_to(self, share: float) -> bool:
        """Whether so much of it is answered."""
        return self.answered.total() >= share * self.deliveries

    def result(self) -> None:
        """Raise what any of the threads has raised."""
        for future in self._futures:
            future.result()
        self._pool.shutdown()

    def _send_all(self) -> None:
        while not self.has_come_to(1):
            try:
                event = self._waiting.get(timeout=0.1)
            except Empty:  # another thread has the last ones in hand
                continue
            is_taken = self._send(event)
            with self._lock:
                self.answered[event.name] += is_taken
                self.unanswered += not is_taken
            if not is_taken:
                self._waiting.put(event)
                time.sleep(0.05)

    def _send(self, event: Event) -> bool:
        """Whether it was answered 200; nothing else is an answer."""
        signature = sign(event.body, secrets=[SECRET], timestamp=int(time.time()))
        headers = {"Sandbox-Signature": signature, "Content-Type": "application/json"}
        try:
            return self._http.request("POST", self._url, body=event.body, headers=headers).status == 200
        except HTTPError:
            return False


class Site:
    """A web server of two processes and a worker, started again when they end. `kills` counts what was killed."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._port = free_port()
        self._folder = folder
        self._acted_on = 0
        self.url = f"http://127.0.0.1:{self._port}"
        self.kills: Counter[str] = Counter()
        (folder / "metrics").mkdir()
        self._environment = {
            **environment, "PORT": str(self._port), "WEB_CONCURRENCY": "2", "SANDBOX_WEBHOOK_SECRETS": SECRET,
            "LOG_LEVEL": "ERROR", "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
        }  # fmt: skip

    @contextmanager
    def running(self) -> Iterator[Self]:
        with (self._folder / "log").open("ab") as log:
            self._web = Kept(WEB_SERVER, self._environment, log)
            self._worker = Kept(WORKER, self._environment, log)
            try:
                self._answers()
                yield self
            finally:
                self._web.end(signal.SIGQUIT)
                self._worker.end(signal.SIGTERM)

    def kill_web_process(self, chance: Random) -> None:
        """One of the two that answer; its master begins another."""
        self._kill("web process", chance.choice(self._web.children() or [self._web.pid]))
        self._answers()

    def kill_web_server(self, _chance: Random) -> None:
        """All of it: nobody answers for a while."""
        self._kill("web server", self._web.pid)
        self._web.process.wait()
        time.sleep(0.2)  # its children hear of it and let the port go
        self._answers()

    def kill_worker(self, _chance: Random) -> None:
        """Once it has acted on something since it was started, so that it gets on in the end."""
        if self._has_acted():
            self._kill("worker", self._worker.pid)
            self._worker.process.wait()
            self._worker.keep()

    def _kill(self, what: str, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self.kills[what] += 1

    def _answers(self) -> None:
        """Wait until it does; what has ended is started again."""

        def is_up() -> bool:
            self._web.keep()
            try:
                return urllib3.request("GET", f"{self.url}/healthz", retries=False, timeout=2.0).status == 200
            except HTTPError:
                return False

        wait_until(is_up)

    def _has_acted(self) -> bool:
        before, self._acted_on = self._acted_on, WebhookEvent.objects.filter(status="processed").count()
        return self._acted_on > before


def left() -> dict[str, Any]:
    """How the events stand that are not processed."""
    rows = WebhookEvent.objects.exclude(status="processed").values_list("status", "error")
    return dict(Counter(f"{status} {error}" for status, error in rows))
