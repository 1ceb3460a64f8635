import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.payments.sandbox.shop import Shop
from tests.sandbox import Sandbox


@contextmanager
def connected(sandbox: Sandbox) -> Iterator[socket.socket]:
    host, port = sandbox.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        yield connection


def say(sandbox: Sandbox, raw: bytes) -> bytes:
    """Everything the server answers to these bytes, until it closes the connection."""
    with connected(sandbox) as connection:
        connection.sendall(raw)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def test_the_sandbox_is_healthy(sandbox: Sandbox) -> None:
    assert sandbox.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/", "/nothing", "/v1/charges/", "/v1/charges/a/b/c", "//[", "/v1/charges/%2e%2e"])
def test_an_unknown_path_is_not_found(sandbox: Sandbox, path: str) -> None:
    answer = sandbox.http.urlopen("GET", sandbox.url + path)

    assert answer.status in (400, 404)
    assert answer.json()["error"]["code"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/v1/charges"), ("GET", "/v1/charges/sch_1/capture"), ("POST", "/journal"), ("BREW", "/journal")],
)
def test_a_wrong_method_is_told_apart_from_an_unknown_path(sandbox: Sandbox, method: str, path: str) -> None:
    answer = sandbox.http.request(method, sandbox.url + path)

    assert answer.status == 405
    assert answer.json()["error"]["code"] == "method_not_allowed" or method == "BREW"


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"text"', b"\xff", b'{"amount": NaN}', b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000]
)
def test_a_body_that_is_no_json_object_is_refused_and_journalled(sandbox: Sandbox, body: bytes) -> None:
    before = len(sandbox.journal())

    answer = sandbox.http.request("POST", sandbox.url + "/v1/charges", body=body)

    assert (answer.status, answer.json()["error"]["code"]) == (400, "body_invalid")
    assert [(e["operation"], e["result"]) for e in sandbox.journal()[before:]] == [("authorize", "failed")]


def test_a_body_over_a_mebibyte_is_too_large(sandbox: Sandbox) -> None:
    answer = sandbox.http.request("POST", sandbox.url + "/v1/charges", body=b" " * (1024 * 1024 + 1))

    assert (answer.status, answer.json()["error"]["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("header", "status"),
    [(b"Transfer-Encoding: chunked", 411), (b"Content-Length: ten", 400), (b"Content-Length: -1", 400)],
)
def test_a_body_of_unknown_length_is_refused(sandbox: Sandbox, header: bytes, status: int) -> None:
    answer = say(sandbox, b"POST /v1/charges HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 %d " % status)


def test_a_request_line_nobody_can_read_is_answered_in_json(sandbox: Sandbox) -> None:
    answer = say(sandbox, b"GET /journal HTTP/9.x\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"error"' in answer


@pytest.mark.parametrize("since", ["x", "-1", "1.0", "9" * 30, "٣"])
def test_since_is_a_sequence(sandbox: Sandbox, since: str) -> None:
    assert sandbox.get("/journal", since=since).status == 400


def test_since_returns_what_came_after(own_shop: Shop) -> None:
    own_shop.captured()
    first, second = own_shop.sandbox.journal()

    assert own_shop.sandbox.journal(since=first["sequence"]) == [second]
    assert own_shop.sandbox.journal(since=second["sequence"]) == []


@pytest.mark.parametrize("path", ["/v1/charges", "/v1/operations", "/v1/shipments"])
def test_a_look_up_without_its_key_is_refused(sandbox: Sandbox, path: str) -> None:
    assert sandbox.get(path).json()["error"]["code"] == "parameter_missing"


def test_look_ups_are_in_the_journal(shop: Shop) -> None:
    key = shop.key()
    charge = shop.authorize(key=key).json()["charge"]["id"]
    shop.charge(charge)
    shop.operations(key)
    shop.sandbox.get("/v1/charges", order=shop.order)

    assert [(e["operation"], e["charge"], e["idempotency_key"]) for e in shop.journal()[1:]] == [
        ("look_up", charge, None),
        ("look_up", charge, key),
        ("look_up", None, None),
    ]


def test_one_connection_carries_many_calls(sandbox: Sandbox) -> None:
    with connected(sandbox) as connection:
        for _ in range(3):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).endswith(b'{"status":"ok"}')


def test_an_authorization_header_is_ignored(sandbox: Sandbox) -> None:
    answer = sandbox.http.request("GET", sandbox.url + "/healthz", headers={"Authorization": "Bearer x"})

    assert answer.status == 200
