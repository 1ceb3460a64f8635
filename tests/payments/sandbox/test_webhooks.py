import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from stripe import WebhookSignature

from tests.payments.sandbox.shop import Shop, wait_until
from tests.sandbox import SECRET, Sandbox


class Receiver(ThreadingHTTPServer):
    """A merchant's webhook endpoint: answers with `statuses` in turn, then 200, and keeps what it was sent."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Hook)
        self.statuses: list[int] = []
        self.received: list[tuple[dict[str, Any], str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    @property
    def types(self) -> list[str]:
        return [event["type"] for event, _, _ in self.received]


class Hook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200:
            self.server.received.append((json.loads(raw), raw, self.headers["Sandbox-Signature"]))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def listening(port: int = 0) -> Iterator[Receiver]:
    with Receiver(port) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver


@pytest.fixture
def shop(tmp_path: Path, receiver: Receiver) -> Iterator[Shop]:
    with Sandbox(tmp_path / "journal.sqlite3", webhook_url=receiver.url) as sandbox:
        yield Shop(sandbox, order="ord_1")


def test_each_movement_is_told_once_and_in_order(shop: Shop, receiver: Receiver) -> None:
    charge, key = shop.captured(), shop.key()
    shop.refund(charge, key=key)
    shop.refund(charge, key=key)
    shop.authorize("tok_declined")

    wait_until(lambda: len(receiver.received) == 4)

    assert receiver.types == ["charge.authorized", "charge.captured", "charge.refunded", "charge.declined"]
    event = receiver.received[1][0]
    assert (event["data"]["charge"]["id"], event["data"]["operation"]["operation"]) == (charge, "capture")
    assert len({e["id"] for e, _, _ in receiver.received}) == 4


def test_an_event_is_signed_over_its_raw_bytes(shop: Shop, receiver: Receiver) -> None:
    shop.authorize()

    wait_until(lambda: receiver.received)

    _, raw, signature = receiver.received[0]
    assert WebhookSignature.verify_header(raw, signature, SECRET, tolerance=60)


def test_a_challenge_and_its_answer_are_told(shop: Shop, receiver: Receiver) -> None:
    charge = shop.authorized("tok_3ds")
    shop.sandbox.post(f"/3ds/{charge}/approve")

    wait_until(lambda: len(receiver.received) == 3)

    assert receiver.types == ["charge.requires_action", "charge.authentication_succeeded", "charge.authorized"]


def test_what_happens_later_by_itself_is_told(shop: Shop, receiver: Receiver) -> None:
    charge = shop.captured()
    shop.sandbox.fault("fail_refund_later", seconds=0.1)
    shop.refund(charge)
    shop.authorize()
    shop.sandbox.fault("expire_authorizations")
    shop.captured("tok_dispute")

    wait_until(lambda: {"refund.failed", "charge.expired", "dispute.opened"} <= set(receiver.types))


def test_an_event_the_receiver_stumbled_over_is_sent_again(shop: Shop, receiver: Receiver) -> None:
    receiver.statuses = [500]

    shop.authorize()

    wait_until(lambda: receiver.types == ["charge.authorized"])


def test_events_wait_for_a_receiver_that_is_not_there(tmp_path: Path) -> None:
    with listening() as early:
        port = early.server_port
    with Sandbox(tmp_path / "journal.sqlite3", webhook_url=f"http://127.0.0.1:{port}/hook") as sandbox:
        Shop(sandbox, order="ord_1").captured()
        time.sleep(0.2)
        with listening(port) as late:
            wait_until(lambda: late.types == ["charge.authorized", "charge.captured"])


def test_events_survive_the_death_of_the_sandbox(tmp_path: Path) -> None:
    silent = Sandbox(tmp_path / "journal.sqlite3").start()
    Shop(silent, order="ord_1").authorize()
    silent.kill()

    with listening() as receiver, Sandbox(tmp_path / "journal.sqlite3", webhook_url=receiver.url):
        wait_until(lambda: receiver.types == ["charge.authorized"])


def test_a_duplicated_event_comes_twice_under_one_id(shop: Shop, receiver: Receiver) -> None:
    shop.sandbox.fault("duplicate_webhooks", times=1)

    shop.authorize()

    wait_until(lambda: len(receiver.received) == 2)
    assert len({event["id"] for event, _, _ in receiver.received}) == 1


def test_a_delayed_event_is_overtaken(shop: Shop, receiver: Receiver) -> None:
    shop.sandbox.fault("delay_webhooks", operation="authorize", seconds=0.4)

    shop.captured()

    wait_until(lambda: receiver.types == ["charge.captured", "charge.authorized"])


def test_reordered_events_come_newest_first(shop: Shop, receiver: Receiver) -> None:
    shop.sandbox.fault("reorder_webhooks", seconds=0.5)
    # A window of half a second begins on every half second.
    time.sleep(0.5 - time.time() % 0.5)

    shop.refund(shop.captured())

    wait_until(lambda: receiver.types == ["charge.refunded", "charge.captured", "charge.authorized"])
