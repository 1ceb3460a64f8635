from typing import Any

import pytest
from django.test import Client

from config import problems
from orders.errors import DomainError

pytestmark = pytest.mark.urls("tests.config.urls")


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def codes(answer: Any) -> list[tuple[str, str]]:
    return [(error["field"], error["code"]) for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("name", "status", "code", "retriable"),
    [
        ("out_of_stock", 409, "out_of_stock", False),
        ("unknown_sku", 422, "unknown_sku", False),
        ("card_declined", 402, "card_declined", False),
        ("expired_card", 402, "expired_card", False),
        ("fraud_blocked", 402, "fraud_blocked", False),
        ("network", 502, "gateway_unavailable", True),
        ("in_flight", 409, "idempotency_in_flight", True),
        ("domain", 409, "error", False),
        ("throttled", 429, "too_many_requests", True),
        ("operational", 503, "unavailable", True),
        ("interface", 503, "unavailable", True),
        ("not_found", 404, "not_found", False),
        ("denied", 403, "permission_denied", False),
        ("suspicious", 400, "malformed", False),
        ("django_validation", 422, "validation_failed", False),
        ("bug", 500, "internal_error", True),
    ],
)
def test_what_goes_wrong_is_told_as_a_problem(
    client: Client, name: str, status: int, code: str, retriable: bool
) -> None:
    answer = client.get(f"/v1/test/failing/{name}", headers={"X-Request-ID": "abc"})

    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"], body["retriable"]) == (status, code, retriable)
    assert body["request_id"] == answer["X-Request-ID"] == "abc"
    assert body["title"]
    assert body["detail"]
    assert ("Retry-After" in answer) == retriable


def test_a_problem_says_what_the_error_said(client: Client) -> None:
    assert client.get("/v1/test/failing/out_of_stock").json()["detail"] == "Only 1 LAST-ONE is left."


@pytest.mark.parametrize("name", ["bug", "operational"])
def test_a_fault_of_ours_keeps_its_reason_to_itself(client: Client, name: str) -> None:
    answer = client.get(f"/v1/test/failing/{name}")

    assert b"4242" not in answer.content
    assert b"10.0.0.1" not in answer.content


@pytest.mark.parametrize(("name", "seconds"), [("network", "3"), ("throttled", "12"), ("in_flight", "1")])
def test_retry_after_is_whole_seconds_and_never_too_few(client: Client, name: str, seconds: str) -> None:
    assert client.get(f"/v1/test/failing/{name}")["Retry-After"] == seconds


def test_all_faulty_fields_are_named_at_once_with_their_paths(client: Client) -> None:
    body = {"currency": "EURO", "lines": [{"sku": "TEE", "quantity": 1}, {"quantity": 0}]}

    answer = client.post("/v1/test/orders", body, content_type="application/json")

    assert answer.status_code == 422
    assert codes(answer) == [
        ("currency", "max_length"),
        ("lines.1.sku", "required"),
        ("lines.1.quantity", "min_value"),
    ]


def test_a_fault_of_the_whole_has_an_empty_path(client: Client) -> None:
    body = {"currency": "XXX", "lines": []}

    assert codes(client.post("/v1/test/orders", body, content_type="application/json")) == [("", "unknown_currency")]


def test_an_address_that_is_not_there_is_told_from_a_method_that_is_not(client: Client) -> None:
    missing, wrong = client.get("/v1/nowhere"), client.delete("/v1/test/echo")

    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert "POST" in wrong["Allow"]


def test_answers_are_json_or_refused(client: Client) -> None:
    assert client.get("/v1/test/echo", headers={"Accept": "text/html"}).status_code == 406
    assert client.post("/v1/test/echo", {"a": "1"}).status_code == 415


def test_a_fault_outside_the_api_framework_is_a_problem_too(client: Client) -> None:
    unavailable = client.get("/v1/test/broken?error=operational")

    assert client.get("/v1/test/broken?error=bug").json()["code"] == "internal_error"
    assert (unavailable.status_code, unavailable.json()["code"]) == (503, "unavailable")
    assert client.get("/v1/test/broken?error=suspicious").json()["code"] == "malformed"
    assert client.get("/v1/test/broken?error=denied").json()["code"] == "permission_denied"


@pytest.mark.parametrize(("name", "status"), [("bug", 500), ("suspicious", 400), ("denied", 403), ("not_found", 404)])
def test_people_get_pages(client: Client, name: str, status: int) -> None:
    answer = client.get(f"/test/broken?error={name}")

    assert answer.status_code == status
    assert answer["Content-Type"].startswith("text/html")


def test_every_problem_has_its_place_on_the_page_its_type_leads_to(client: Client) -> None:
    page = client.get("/v1/docs/errors").content.decode()

    for kind in problems.every_kind():
        assert page.count(f'<tr id="{kind.code}">') == 1


def test_every_domain_error_has_a_status_and_a_meaning() -> None:
    for cls in problems._descendants(DomainError):
        kind = problems.kind_of_domain_error(cls)

        assert 400 <= kind.status < 600
        assert kind.title
        assert kind.code in {known.code for known in problems.every_kind()}
