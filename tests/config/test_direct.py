"""Below the limits nothing stands between a gateway's event and its intake."""

import time
from typing import Any

import pytest
import structlog
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from payments.sandbox.signing import sign

pytestmark = pytest.mark.django_db

PATH = "/v1/webhooks/sandbox"


def post(body: bytes, **environ: Any) -> Any:
    return Client().generic("POST", PATH, body, "application/json", **environ)


def test_an_event_takes_one_statement_and_no_session(settings: Any) -> None:
    settings.SANDBOX_WEBHOOK_SECRETS = ["whsec_a"]
    body = b'{"id": "evt_1", "type": "a"}'
    signature = sign(body, secrets=["whsec_a"], timestamp=int(time.time()))

    with CaptureQueriesContext(connection) as sent:
        answer = post(body, headers={"Sandbox-Signature": signature})

    assert answer.status_code == 200
    assert [query["sql"].split()[0] for query in sent] == ["INSERT"]
    assert not answer.cookies


def test_it_has_an_id_headers_limits_and_a_log_line_like_any_other_request() -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = post(b"{}")

    assert (answer.status_code, answer.json()["code"]) == (400, "webhook_signature_invalid")
    assert answer["X-Request-ID"] == answer.json()["request_id"]
    assert answer["Cache-Control"] == "no-store"
    assert [line["path"] for line in lines if line["event"] == "request_finished"] == [PATH]
    assert post(b"{}", CONTENT_LENGTH=str(2**21)).status_code == 413


def test_the_line_names_the_event_and_says_whether_it_is_new(settings: Any) -> None:
    settings.SANDBOX_WEBHOOK_SECRETS = ["whsec_a"]
    body = b'{"id": "evt_1", "type": "a"}'
    signature = sign(body, secrets=["whsec_a"], timestamp=int(time.time()))

    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        for _ in range(2):
            post(body, headers={"Sandbox-Signature": signature})

    told = [(line["event_id"], line["kind"], line["is_new"]) for line in lines if line["event"] == "request_finished"]
    assert told == [("evt_1", "a", True), ("evt_1", "a", False)]


def test_what_it_does_not_know_is_told_apart() -> None:
    http = Client()
    answers = [http.get(PATH), http.post(f"{PATH}/more"), http.post("/v1/webhooks/nobody")]

    assert [answer.status_code for answer in answers] == [405, 404, 404]
    assert {answer["Content-Type"] for answer in answers} == {"application/problem+json"}


def test_it_tells_what_it_takes() -> None:
    answer = Client().options(PATH)

    assert (answer.status_code, answer["Allow"]) == (200, "POST, OPTIONS")


def test_where_https_is_wanted_it_is_wanted_of_gateways_too(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert post(b"{}").status_code == 301
