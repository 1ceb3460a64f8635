import io
from typing import Any

import pytest
import structlog
from django.test import Client, override_settings
from hypothesis import given
from hypothesis import strategies as st

from config.middleware import REPORTS_PATH

pytestmark = pytest.mark.urls("tests.config.urls")

MIB = 1024 * 1024


def post(client: Client, body: bytes, path: str = "/v1/test/echo", **environ: Any) -> Any:
    return client.generic("POST", path, body, "application/json", **environ)


def post_in_chunks(client: Client, body: bytes, path: str = "/v1/test/echo") -> Any:
    """As gunicorn hands a chunked body over: no length, and a stream that ends."""
    environ: Any = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": ""}
    return client.generic("POST", path, CONTENT_TYPE="application/json", **environ)


@pytest.mark.parametrize("request_id", ["abc", "A-1_2.3", "x" * 128])
def test_a_sane_request_id_is_taken_and_returned(client: Client, request_id: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": request_id})["X-Request-ID"] == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", "a\nb", "<script>", "ä", "a\0"])
def test_any_other_request_id_is_replaced(client: Client, request_id: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": request_id})["X-Request-ID"].startswith("req_")


def test_a_request_leaves_one_line_without_its_query_string(client: Client) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        client.get("/v1/test/echo?email=me@example.com", headers={"X-Request-ID": "abc"})

    [line] = [line for line in lines if line["event"] == "request_finished"]
    assert line.pop("ms") >= 0
    assert line == {
        "event": "request_finished",
        "log_level": "info",
        "method": "GET",
        "path": "/v1/test/echo",
        "request_id": "abc",
        "status": 200,
    }


def test_nothing_of_a_request_is_on_the_lines_of_the_next(client: Client) -> None:
    structlog.contextvars.bind_contextvars(saga="saga_1")

    client.get("/healthz")

    assert structlog.contextvars.get_contextvars().keys() == {"request_id"}


@pytest.mark.parametrize("path", ["/healthz", "/v1/nowhere", "/admin/login/", "/v1/docs/errors"])
@pytest.mark.django_db
def test_every_answer_keeps_browsers_honest(client: Client, path: str) -> None:
    answer = client.get(path)

    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"


def test_answers_of_the_api_are_not_stored(client: Client) -> None:
    assert client.get("/v1/test/echo")["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/v1/openapi.json", "/v1/docs", "/v1/nowhere", "/admin/login/", "/admin/"])
@pytest.mark.django_db
def test_nothing_that_may_hold_a_secret_is_compressed(admin_client: Client, path: str) -> None:
    answer = admin_client.get(path, headers={"Accept-Encoding": "gzip, br, deflate"})

    assert "Content-Encoding" not in answer
    assert "Accept-Encoding" not in answer.get("Vary", "")
    assert answer.content[:2] != b"\x1f\x8b"


def test_a_body_of_the_largest_size_is_read_and_a_larger_one_is_not(client: Client) -> None:
    body = b'{"a": "%s"}' % (b"x" * (MIB - 9))

    assert len(body) == MIB
    assert post(client, body).json()["bytes"] == MIB
    refused = post(client, body + b" ")
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


def test_a_body_in_chunks_is_counted_while_it_is_read(client: Client) -> None:
    assert post_in_chunks(client, b'{"a": 1}').json() == {"data": {"a": 1}, "bytes": 8}
    assert post_in_chunks(client, b" " * (MIB + 1)).status_code == 413


class BrokenStream(io.BytesIO):
    """As a web server reads chunks that are none: it raises an error of its own."""

    def read(self, size: int | None = -1) -> bytes:
        raise LookupError("Invalid chunk size: 'zz'")


def test_a_body_in_broken_chunks_is_malformed(client: Client) -> None:
    environ: Any = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": BrokenStream(), "CONTENT_LENGTH": ""}

    answer = client.generic("POST", "/v1/test/echo", CONTENT_TYPE="application/json", **environ)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


def test_a_report_may_be_larger(client: Client) -> None:
    with override_settings(REPORT_UPLOAD_MAX_SIZE=3 * MIB):
        assert client.generic("POST", REPORTS_PATH, b"x" * 2 * MIB, "text/csv").status_code == 415
        assert post(client, b"x" * 4 * MIB, REPORTS_PATH).status_code == 413
        assert post_in_chunks(client, b"x" * 4 * MIB, REPORTS_PATH).status_code == 413


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "9" * 30])
def test_a_length_that_is_no_length_is_too_large(client: Client, length: str) -> None:
    assert post(client, b"{}", CONTENT_LENGTH=length).status_code == 413


@pytest.mark.parametrize("path", ["/v1/%00", "/v1/orders?reference=%00"])
def test_a_nul_in_the_address_is_refused(client: Client, path: str) -> None:
    assert client.get(path).status_code == 400


@given(
    path=st.text(st.characters(codec="latin-1"), max_size=40),
    query=st.text(st.characters(codec="latin-1"), max_size=40),
    header=st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=40),
)
def test_no_address_and_no_header_makes_a_server_error(path: str, query: str, header: str) -> None:
    names = ("HTTP_ACCEPT", "HTTP_X_REQUEST_ID", "HTTP_COOKIE", "HTTP_ORIGIN", "HTTP_ACCEPT_LANGUAGE", "CONTENT_TYPE")
    environ: Any = {name: header for name in names} | {"PATH_INFO": f"/v1/test/echo{path}", "QUERY_STRING": query}

    assert Client().get("/v1/test/echo", **environ).status_code < 500


@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_no_host_makes_a_server_error(host: str) -> None:
    answer = Client().get("/v1/test/echo", HTTP_HOST=host)

    assert answer.status_code in {200, 400}


@override_settings(CORS_ALLOWED_ORIGINS=["https://shop.example.com"])
def test_pages_of_an_allowed_origin_may_call_the_api(client: Client) -> None:
    asked = {"Origin": "https://shop.example.com", "Access-Control-Request-Method": "POST"}

    preflight, call = client.options("/v1/test/echo", headers=asked), client.get("/v1/test/echo", headers=asked)

    assert preflight.status_code == 204
    assert "Idempotency-Key" in preflight["Access-Control-Allow-Headers"]
    assert call["Access-Control-Allow-Origin"] == "https://shop.example.com"
    assert "Origin" in call["Vary"]


@override_settings(CORS_ALLOWED_ORIGINS=["https://shop.example.com"])
@pytest.mark.parametrize(
    ("path", "origin"), [("/v1/test/echo", "https://evil.example"), ("/healthz", "https://shop.example.com")]
)
def test_other_pages_may_not(client: Client, path: str, origin: str) -> None:
    assert "Access-Control-Allow-Origin" not in client.get(path, headers={"Origin": origin})
