"""HTTP/1.1 with keep-alive, one thread per connection, and a port that can be closed and opened again."""

import contextlib
import logging
import socket
import sys
import threading
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from payments.sandbox.connections import Connections, has_hung_up, reset_on_close, wait_until_peer_leaves
from payments.sandbox.control import Site
from payments.sandbox.messages import Answer, Delivery, Refusal, Request, json_answer, server_error
from payments.sandbox.pages import garbage_page
from payments.sandbox.routes import Endpoint, find_endpoint

MAX_BODY = 1024 * 1024
MAX_DISCARDED = 16 * MAX_BODY
STOP_SECONDS = 1.0
"""How long a stopping server waits for the calls under way."""

ACCEPT_POLL_SECONDS = 0.5
REOPEN_AGAIN_SECONDS = 0.2

logger = logging.getLogger(__name__)


class Server(ThreadingHTTPServer):
    """Set `site` before `serve`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    site: Site

    def __init__(self, host: str, port: int) -> None:
        self.connections = Connections()
        self._stopping = threading.Event()
        self._is_open = threading.Event()
        self._to_reset: set[socket.socket] = set()
        super().__init__((host, port), Handler)
        self._is_open.set()

    @property
    def url(self) -> str:
        return f"http://{self.server_name}:{self.server_port}"

    @property
    def is_open(self) -> bool:
        """Whether the port takes connections; if not, the open ones are closed as they fall idle."""
        return self._is_open.is_set()

    def server_bind(self) -> None:
        # HTTPServer's own asks the DNS for the host's name, which can take seconds.
        TCPServer.server_bind(self)
        host, port = self.socket.getsockname()[:2]
        self.server_name, self.server_port = host, port
        self.socket.settimeout(ACCEPT_POLL_SECONDS)

    def serve(self) -> None:
        """Accept connections until `stop`."""
        while not self._stopping.is_set():
            self._is_open.wait()
            if not self._stopping.is_set():
                self._handle_request_noblock()  # type: ignore[attr-defined]

    def refuse_connections(self, seconds: float) -> None:
        """Close the port and the idle connections now; open it again after so many seconds."""
        if not self.is_open:
            return
        self._is_open.clear()
        self._close_port()
        self.connections.close_idle()
        threading.Thread(target=self._reopen, args=(seconds,), daemon=True).start()

    def stop(self) -> None:
        """Take no new call, let those under way finish for a moment, close everything."""
        self._stopping.set()
        self._close_port()
        self._is_open.set()
        self.connections.close_all(after_seconds=STOP_SECONDS)

    def reset(self, connection: socket.socket) -> None:
        """Have the connection reset instead of closed in order."""
        reset_on_close(connection)
        self._to_reset.add(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.remove(request)
        if request in self._to_reset:
            # An orderly shutdown would send FIN before the reset.
            self._to_reset.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that left is everyday life here: half of the faults make it leave.
        if not isinstance(sys.exception(), ConnectionError):
            logger.exception("a connection failed")

    def _close_port(self) -> None:
        # Closing alone would leave the port listening for as long as the other thread sits in accept().
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def _reopen(self, seconds: float) -> None:
        while not self._stopping.wait(seconds) and not self.is_open:
            self.socket = socket.socket(self.address_family, self.socket_type)
            try:
                self.server_bind()
                self.server_activate()
            except OSError:
                # Somebody took the port meanwhile: wait until they leave.
                self.socket.close()
                seconds = REOPEN_AGAIN_SECONDS
            else:
                self._is_open.set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def handle_call(self) -> None:
        with self.server.connections.busy(self.connection):
            answer = self._answer()
            {
                Delivery.ANSWER: self._write,
                Delivery.GARBAGE: self._write_garbage,
                Delivery.RESET: self._reset,
                Delivery.SILENCE: self._stay_silent,
            }[answer.delivery](answer)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = do_HEAD = do_OPTIONS = handle_call

    def _answer(self) -> Answer:
        try:
            content = self._content()
            endpoint, request = self._request(content)
            return endpoint(self.server.site, request)
        except Refusal as refusal:
            return json_answer(refusal.status, refusal.body)
        except Exception:
            logger.exception("%s %s failed", self.command, self.path)
            return json_answer(500, server_error().body)

    def _request(self, content: bytes) -> tuple[Endpoint, Request]:
        try:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=50))
        except ValueError as error:
            raise Refusal(400, "address_invalid", "The address is not readable.") from error
        endpoint, target = find_endpoint(self.command, parts.path)
        key = self.headers.get("Idempotency-Key")
        hung_up = partial(has_hung_up, self.connection)
        return endpoint, Request(self.command, parts.path, query, content, {}, key, target, hung_up)

    def _content(self) -> bytes:
        """The body, read to its end so that the next call on this connection starts where it should."""
        if self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise Refusal(411, "length_required", "Send a Content-Length.")
        declared = self.headers.get("Content-Length", "0").strip()
        if not (declared.isascii() and declared.isdigit() and len(declared) < 19):
            self.close_connection = True
            raise Refusal(400, "length_invalid", "Content-Length must be a number.")
        if int(declared) > MAX_BODY:
            self._discard(int(declared))
            raise Refusal(413, "body_too_large", f"The body may have {MAX_BODY} bytes.")
        return self.rfile.read(int(declared))

    def _discard(self, length: int) -> None:
        """Read on for a while: a client still sending would see a reset instead of its answer."""
        self.close_connection = True
        left = min(length, MAX_DISCARDED)
        while left > 0 and (chunk := self.rfile.read(min(left, 65536))):
            left -= len(chunk)

    def _write(self, answer: Answer) -> None:
        if not self.server.is_open:
            self.close_connection = True
        body = b"" if self.command == "HEAD" else answer.body
        lines = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            f"Content-Type: {answer.content_type}",
            f"Content-Length: {len(answer.body)}",
            "X-Content-Type-Options: nosniff",
            *(f"{name}: {value}" for name, value in answer.headers),
            *(["Connection: close"] if self.close_connection else []),
        ]
        # One write, one packet: a header sent alone would wait for the client's delayed ACK.
        self.wfile.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def _write_garbage(self, answer: Answer) -> None:
        self._write(replace(answer, status=200, body=garbage_page(), content_type="text/html; charset=utf-8"))

    def _reset(self, answer: Answer) -> None:
        self.close_connection = True
        self.server.reset(self.connection)

    def _stay_silent(self, answer: Answer) -> None:
        self.close_connection = True
        with self.server.connections.abandoned(self.connection):
            wait_until_peer_leaves(self.connection)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The base class's own complaints, as JSON: a request line it cannot read, a method nobody knows."""
        self.close_connection = True
        self.command = self.command or "GET"
        status = 405 if code == HTTPStatus.NOT_IMPLEMENTED else int(code)
        error = {"code": HTTPStatus(status).name.lower(), "message": message or HTTPStatus(status).phrase}
        self._write(json_answer(status, {"error": error}))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the journal has every call."""
