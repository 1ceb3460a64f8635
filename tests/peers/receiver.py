"""Where a peer sends its webhooks."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Delivery:
    headers: Mapping[str, str]
    body: bytes


class Receiver(ThreadingHTTPServer):
    """Keeps what arrives, and answers 200, after `on_delivery` where there is one."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        self.deliveries: list[Delivery] = []
        self.on_delivery: Callable[[Delivery], None] | None = None

    def wait_for(self, *words: str) -> Delivery:
        """The first delivery whose body has all of these in it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            for delivery in list(self.deliveries):
                if all(word.encode() in delivery.body for word in words):
                    return delivery
            time.sleep(0.02)
        raise AssertionError(f"no webhook came that says {' and '.join(words)}")


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        delivery = Delivery(dict(self.headers), body)
        self.server.deliveries.append(delivery)
        if self.server.on_delivery is not None:
            self.server.on_delivery(delivery)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()
