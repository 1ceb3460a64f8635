from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from fraud.facts import ListName, Stage
from fraud.models import Decision
from fraud.services import add_list_entry
from tests.fraud.builders import make_decision, make_order, make_user

pytestmark = pytest.mark.django_db

DECISIONS, EVALUATE = "/v1/fraud/decisions", "/v1/fraud/evaluate"
VIEW = "fraud.view_decision"


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def user() -> User:
    return make_user(VIEW)


@pytest.fixture
def api(user: User) -> APIClient:
    return client_of(user)


def ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


class TestReading:
    def test_a_decision_shows_every_verdict(self, api: APIClient, user: User) -> None:
        decision = make_decision(make_order(client=user, amount_minor=2_000_00))
        decision.refresh_from_db()

        answer = api.get(f"{DECISIONS}/{decision.public_id}")

        assert answer.json() == {
            "id": decision.public_id,
            "order": decision.order.public_id,
            "stage": "before_authorization",
            "decision": "challenge",
            "score": 0,
            "ruleset_version": 1,
            "verdicts": [
                {
                    "rule": "high_amount",
                    "decision": "challenge",
                    "reason": "2,000.00 USD reaches the limit of 2,000.00 USD.",
                    "score": 0,
                    "shadow": False,
                }
            ],
            "created_at": decision.created_at.isoformat().replace("+00:00", "Z"),
        }

    def test_another_client_s_decision_is_not_found(self, api: APIClient) -> None:
        decision = make_decision()

        assert api.get(f"{DECISIONS}/{decision.public_id}").status_code == 404
        assert ids(api.get(DECISIONS)) == []
        assert ids(api.get(DECISIONS, {"order": decision.order.public_id})) == []

    def test_who_works_for_every_client_sees_every_decision(self) -> None:
        decision = make_decision()
        api = client_of(make_user(VIEW, "orders.access_all_clients"))

        assert api.get(f"{DECISIONS}/{decision.public_id}").status_code == 200
        assert ids(api.get(DECISIONS)) == [decision.public_id]

    @pytest.mark.parametrize(
        "name",
        ["frd_", "frd_zzz", "1", "order", "ord_01h455vb4pex5vsknk084sn02q", "frd_01h455vb4pex5vsknk084sn02q"],
    )
    def test_what_is_no_decision_s_id_is_not_found(self, api: APIClient, name: str) -> None:
        assert api.get(f"{DECISIONS}/{name}").status_code == 404

    def test_without_the_permission_nothing_is_shown(self) -> None:
        user = make_user()
        decision = make_decision(make_order(client=user))

        assert client_of(user).get(DECISIONS).status_code == 403
        assert client_of(user).get(f"{DECISIONS}/{decision.public_id}").status_code == 403
        assert client_of(user).post(EVALUATE, {}).status_code == 403

    def test_without_a_token_nothing_is_shown(self) -> None:
        assert APIClient().get(DECISIONS).status_code == 401

    def test_decisions_are_not_written_over_http(self, api: APIClient, user: User) -> None:
        decision = make_decision(make_order(client=user))

        assert api.post(DECISIONS, {}).status_code == 405
        assert api.delete(f"{DECISIONS}/{decision.public_id}").status_code == 405
        assert Decision.objects.count() == 1

    def test_the_newest_is_first(self, api: APIClient, user: User) -> None:
        decisions = [make_decision(make_order(client=user)) for _ in range(3)]

        assert ids(api.get(DECISIONS)) == [decision.public_id for decision in reversed(decisions)]


class TestFilters:
    @pytest.fixture
    def blocked(self, user: User) -> Decision:
        add_list_entry("blocked@example.com", list_name=ListName.BLOCK)
        return make_decision(make_order(client=user, customer_email="blocked@example.com"))

    @pytest.fixture
    def approved(self, user: User) -> Decision:
        return make_decision(make_order(client=user), stage=Stage.AFTER_AUTHORIZATION)

    def test_each_narrows_the_list(self, api: APIClient, blocked: Decision, approved: Decision) -> None:
        assert ids(api.get(DECISIONS, {"order": blocked.order.public_id})) == [blocked.public_id]
        assert ids(api.get(DECISIONS, {"decision": "block"})) == [blocked.public_id]
        assert ids(api.get(DECISIONS, {"stage": "after_authorization"})) == [approved.public_id]
        assert ids(api.get(DECISIONS, {"stage": "after_authorization", "decision": "block"})) == []

    def test_a_time_divides_the_list_in_two(self, api: APIClient, approved: Decision) -> None:
        approved.refresh_from_db()
        earlier, later = (approved.created_at + timedelta(seconds=seconds) for seconds in (-1, 1))

        assert ids(api.get(DECISIONS, {"created_after": earlier.isoformat()})) == [approved.public_id]
        assert ids(api.get(DECISIONS, {"created_before": earlier.isoformat()})) == []
        assert ids(api.get(DECISIONS, {"created_after": later.isoformat()})) == []
        assert ids(api.get(DECISIONS, {"created_before": later.isoformat()})) == [approved.public_id]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("order", "frd_1"),
            ("decision", "maybe"),
            ("stage", "now"),
            ("created_after", "yesterday"),
        ],
    )
    def test_a_value_that_cannot_be_is_refused(self, api: APIClient, name: str, value: str) -> None:
        answer = api.get(DECISIONS, {name: value})

        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [name]

    def test_a_longer_list_takes_no_more_queries(
        self, api: APIClient, user: User, django_assert_num_queries: Any
    ) -> None:
        for rows in (2, 8):
            while Decision.objects.count() < rows:
                make_decision(make_order(client=user))
            user = User.objects.get(pk=user.pk)
            with django_assert_num_queries(2):
                assert len(ids(client_of(user).get(DECISIONS))) == rows


class TestEvaluate:
    def test_it_answers_with_the_decision_a_checkout_would_get(self, api: APIClient) -> None:
        add_list_entry("review@example.com", list_name=ListName.WATCH)

        answer = api.post(EVALUATE, {"customer": {"id": "1", "email": "Review@example.com"}})

        assert answer.status_code == 200
        assert answer.json() == {
            "decision": "review",
            "score": 60,
            "ruleset_version": 1,
            "verdicts": [
                {
                    "rule": "watch_list",
                    "decision": "review",
                    "reason": "On the watch list: the e-mail address.",
                    "score": 60,
                    "shadow": False,
                }
            ],
        }

    @pytest.mark.parametrize(
        ("context", "decision"),
        [
            ({}, "approve"),
            ({"amount": 1_999_99, "currency": "USD"}, "approve"),
            ({"amount": 2_000_00, "currency": "USD"}, "challenge"),
            ({"amount": 2_000_00, "currency": "USD", "stage": "after_authorization"}, "approve"),
            ({"card": {"country": "FR"}, "billing": {"country": "US"}}, "challenge"),
            ({"card": {"country": "FR"}, "billing": {"postal_code": "10001"}}, "approve"),
            ({"avs_result": "mismatch", "cvv_result": ""}, "block"),
            ({"velocity": {"customer_attempts_3600s": 5}}, "approve"),
            ({"velocity": {"customer_attempts_3600s": 6}}, "block"),
            ({"stage": None, "customer_ip": "203.0.113.7", "device_fingerprint": None}, "approve"),
        ],
    )
    def test_a_fact_that_is_missing_triggers_nothing(self, api: APIClient, context: Any, decision: str) -> None:
        answer = api.post(EVALUATE, context)

        assert (answer.status_code, answer.json().get("decision")) == (200, decision)

    @pytest.mark.parametrize(
        ("context", "field"),
        [
            ({"colour": "red"}, "colour"),
            ({"customer": {"shoe": 44}}, "customer.shoe"),
            ({"customer": "jo"}, "customer"),
            ({"amount": "10", "currency": "USD"}, "amount"),
            ({"amount": 10.0, "currency": "USD"}, "amount"),
            ({"amount": 0, "currency": "USD"}, "amount"),
            ({"amount": 10}, "currency"),
            ({"currency": "ZZZ"}, "currency"),
            ({"stage": "later"}, "stage"),
            ({"billing": {"country": "usa"}}, "billing.country"),
            ({"card": {"country": "usa"}}, "card.country"),
            ({"customer": {"id": 7}}, "customer.id"),
            ({"customer_ip": "here"}, "customer_ip"),
            ({"velocity": {"customer_attempts_3600s": "6"}}, "velocity.customer_attempts_3600s"),
            ({"velocity": {"attempts": 6}}, "velocity"),
            ({"velocity": [6]}, "velocity"),
        ],
    )
    def test_a_context_that_cannot_be_is_refused(self, api: APIClient, context: Any, field: str) -> None:
        answer = api.post(EVALUATE, context)

        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    def test_nothing_is_stored(self, api: APIClient) -> None:
        api.post(EVALUATE, {"amount": 2_000_00, "currency": "USD"})

        assert not Decision.objects.exists()
