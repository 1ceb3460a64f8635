"""Signed events, ready to the byte, and connections that send them: a client that costs the machine next to nothing."""

import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from random import Random
from string import ascii_letters, digits
from typing import Any, Final
from uuid import uuid4

SECRET: Final = "whsec_benchmark"
PATH: Final = "/v1/webhooks/stripe"


def event(number: int) -> bytes:
    """What Stripe sends about a payment that was made elsewhere: about 1.3 kB."""
    chance = Random(number)  # noqa: S311  # the same ids in every run are what is wanted
    reference = f"pi_{_id(chance)}"
    thing: dict[str, Any] = {
        "id": reference,
        "object": "payment_intent",
        "amount": 2500,
        "amount_capturable": 0,
        "amount_received": 2500,
        "capture_method": "manual",
        "client_secret": f"{reference}_secret_{_id(chance)}",
        "confirmation_method": "automatic",
        "created": 1_790_000_000,
        "currency": "usd",
        "customer": f"cus_{_id(chance)}",
        "description": "An order of a shop that this Paydesk knows nothing about",
        "latest_charge": f"ch_{_id(chance)}",
        "livemode": False,
        "metadata": {"shop": "another", "order_reference": f"shop-{number}"},
        "payment_method": f"pm_{_id(chance)}",
        "payment_method_options": {"card": {"installments": None, "network": None, "request_three_d_secure": "any"}},
        "payment_method_types": ["card", "link"],
        "receipt_email": f"customer-{number}@example.com",
        "shipping": {"address": {"city": "New York", "country": "US", "line1": "1 Main Street"}, "name": "Jo"},
        "status": "succeeded",
    }
    told = {
        "id": f"evt_{_id(chance)}",
        "object": "event",
        "api_version": "2025-09-30",
        "created": 1_790_000_000,
        "data": {"object": thing},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": f"req_{_id(chance)}", "idempotency_key": str(uuid4())},
        "type": "payment_intent.succeeded",
    }
    return json.dumps(told).encode()


def _id(chance: Random) -> str:
    return "".join(chance.choices(ascii_letters + digits, k=24))


def request(body: bytes, *, port: int) -> bytes:
    """A request with a signature of now in Stripe's scheme."""
    now = int(time.time())
    digest = hmac.new(SECRET.encode(), f"{now}.".encode() + body, "sha256").hexdigest()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nStripe-Signature: t={now},v1={digest}\r\nUser-Agent: Stripe/1.0\r\n\r\n"
    )
    return head.encode() + body


def requests(number: int, *, port: int, first: int = 0) -> list[bytes]:
    """So many events that nobody has seen before."""
    return [request(event(first + n), port=port) for n in range(number)]


def paced(items: list[bytes], *, rate: float) -> Iterator[bytes]:
    """So many a second, as they come and not as fast as they can be taken."""
    started = time.perf_counter()
    for number, item in enumerate(items):
        time.sleep(max(0.0, started + number / rate - time.perf_counter()))
        yield item


class Sender:
    """One kept-alive connection for each thread that sends."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._own = threading.local()

    def send(self, ready: bytes) -> None:
        """Raise AssertionError unless it is answered 200."""
        connection = getattr(self._own, "connection", None) or self._connect()
        connection.sendall(ready)
        answer = connection.recv(65_536)
        while b"\r\n\r\n" not in answer or not answer.endswith((b"}", b"\r\n0\r\n\r\n")):  # whole, or in chunks
            part = connection.recv(65_536)
            assert part, answer
            answer += part
        assert answer.startswith(b"HTTP/1.1 200 "), answer

    def _connect(self) -> socket.socket:
        self._own.connection = connection = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
