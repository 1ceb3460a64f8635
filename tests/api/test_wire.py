"""Requests as no HTTP library sends them, to a web server as it is run."""

import socket
from collections.abc import Iterator
from typing import Final

import pytest

from orders.models import Order
from payments.models import IdempotencyKey
from tests.api.servers import WebServer
from tests.config.builders import make_token
from tests.payments.builders import Api

CHUNK: Final = b"10000\r\n" + b" " * 65_536 + b"\r\n"

REQUESTS: Final = {
    "chunks over the limit": ("Transfer-Encoding: chunked", CHUNK * 17 + b"0\r\n\r\n", 413),
    "a length over the limit": ("Content-Length: 1048577", b"{}", 413),
    "a length beyond every number": (f"Content-Length: {'9' * 40}", b"{}", 413),
    "a chunk whose size is none": ("Transfer-Encoding: chunked", b"zz\r\n{}\r\n0\r\n\r\n", 400),
    "a chunk that is longer than it says": ("Transfer-Encoding: chunked", b"1\r\n{}\r\n0\r\n\r\n", 400),
    "chunks without an end": ("Transfer-Encoding: chunked", b"2\r\n{}\r\n", 400),
    "a chunk without an end": ("Transfer-Encoding: chunked", b"9\r\n{", 400),
    "chunks that are no JSON": ("Transfer-Encoding: chunked", b"1\r\n{\r\n0\r\n\r\n", 400),
    "whole chunks": ("Transfer-Encoding: chunked", b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", 422),
    "a body that is cut off": ("Content-Length: 40", b'{"currency": "USD"', 400),
    "no body where one was announced": ("Content-Length: 2", b"", 400),
    "a negative length": ("Content-Length: -1", b"{}", 400),
    "two lengths": ("Content-Length: 2\r\nContent-Length: 3", b"{}", 400),
    "a length and chunks": ("Content-Length: 2\r\nTransfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", 400),
    "an unknown coding": ("Transfer-Encoding: magic", b"{}", 501),  # RFC 9112, 6.1: not implemented
    "bytes that are no UTF-8": ("Content-Length: 2", b"\xff\xfe", 400),
}


@pytest.fixture
def server(served: dict[str, str]) -> Iterator[WebServer]:
    with WebServer(served) as server:
        yield server


def send(server: WebServer, head: str, body: bytes) -> tuple[int, bytes]:
    """The status and the whole of the answer to what is sent before this side says no more."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode("latin-1") + b"\r\nConnection: close\r\n\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    return int(answer.split(b" ", 2)[1]), answer


def test_no_framing_of_a_body_is_a_server_error(server: WebServer, subtests: pytest.Subtests) -> None:
    token = make_token(Api().user)
    start = f"POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: k\r\n"
    for name, (framing, body, expected) in REQUESTS.items():
        with subtests.test(name):
            status, answer = send(server, f"{start}Content-Type: application/json\r\n{framing}", body)

            assert status == expected, answer
    assert not Order.objects.exists()
    assert not IdempotencyKey.objects.exists()


HEADS: Final = (
    "GET /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \xff\xfe",
    "GET /v1/orders HTTP/1.1\r\nHost: evil.example",
    "GET /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Large: " + "x" * 20_000,
    "GET /v1/orders?" + "x" * 20_000 + " HTTP/1.1\r\nHost: 127.0.0.1",
    "GET /v1/%ff%fe HTTP/1.1\r\nHost: 127.0.0.1",
    "GET /v1/orders/%00 HTTP/1.1\r\nHost: 127.0.0.1",
    "GET /v1/../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1",
    "BREW /v1/orders HTTP/1.1\r\nHost: 127.0.0.1",
    "nonsense",
)


def test_no_head_of_a_request_is_a_server_error(server: WebServer, subtests: pytest.Subtests) -> None:
    for head in HEADS:
        with subtests.test(head[:40]):
            assert 400 <= send(server, head, b"")[0] < 500
