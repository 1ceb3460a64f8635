import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from fraud.facts import ListName
from fraud.models import Decision, ListEntry, RuleSet
from fraud.services import add_list_entry
from tests.fraud.builders import make_decision, make_order, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def analyst() -> User:
    return make_user(
        "orders.access_all_clients",
        "orders.view_order",
        "fraud.view_decision",
        "fraud.view_ruleset",
        "fraud.view_rule",
        "fraud.view_reviewcase",
        "fraud.view_listentry",
        "fraud.add_listentry",
        "fraud.change_listentry",
        is_staff=True,
    )


@pytest.fixture
def office(analyst: User) -> Client:
    client = Client()
    client.force_login(analyst)
    return client


def page(client: Client, name: str, *arguments: object, **query: str) -> str:
    response = client.get(reverse(f"admin:fraud_{name}", args=arguments), query)
    assert response.status_code == 200
    return response.content.decode()


def test_a_decision_tells_in_words_why_it_was_taken(office: Client) -> None:
    decision = make_decision(make_order(amount_minor=2_000_00))

    html = page(office, "decision_change", decision.pk)

    assert '<th scope="row">high_amount</th><td><span class="badge badge-busy">' in html
    assert "2,000.00 USD reaches the limit of 2,000.00 USD." in html
    assert "<dt>email</dt><dd>jo@example.com</dd>" in html
    assert 'name="_save"' not in html


def test_a_decision_without_verdicts_says_so(office: Client) -> None:
    assert "No rule spoke up." in page(office, "decision_change", make_decision().pk)


def test_what_a_customer_wrote_is_shown_as_text(office: Client) -> None:
    decision = make_decision(facts={"device_fingerprint": "<script>alert(1)</script>"})

    assert "<script>alert(1)" not in page(office, "decision_change", decision.pk)


@pytest.mark.parametrize(
    "term", ["{decision.public_id}", "{decision.order.public_id}", "ann@example.com", "order-7", "attempt-7"]
)
def test_a_decision_is_found_by_what_people_have_in_hand(office: Client, term: str) -> None:
    found = make_decision(make_order(customer_email="ann@example.com", reference="order-7"), attempt="attempt-7")
    other = make_decision()

    html = page(office, "decision_changelist", q=f" {term.format(decision=found)} ")

    assert found.public_id in html
    assert other.public_id not in html


@pytest.mark.parametrize("query", ["frd_1", "1", "ord_01h455vb4pex5vsknk084sn02q", "'\"%"])
def test_any_search_is_answered(office: Client, query: str) -> None:
    make_decision()

    page(office, "decision_changelist", q=query)


@pytest.mark.parametrize("action", ["delete", "change"])
def test_a_decision_is_not_changed_by_hand(office: Client, action: str) -> None:
    decision = make_decision()

    response = office.post(reverse(f"admin:fraud_decision_{action}", args=[decision.pk]), {"score": 1, "post": "yes"})

    assert response.status_code == 403
    assert Decision.objects.filter(pk=decision.pk, score=decision.score).exists()


def test_the_rules_are_there_to_read(office: Client) -> None:
    html = page(office, "ruleset_change", RuleSet.objects.get().pk)

    assert "country_mismatch" in html
    assert "window_seconds" in html
    assert 'name="_save"' not in html


def test_an_analyst_puts_an_address_on_a_list_once(office: Client) -> None:
    form = {"list_name": "block", "kind": "email", "value": " Blocked@Example.com", "reason": "Chargebacks."}
    add = reverse("admin:fraud_listentry_add")

    first, second = office.post(add, form), office.post(add, form)

    assert first.status_code == 302
    assert second.status_code == 200
    assert "on this list already" in second.content.decode()
    assert [entry.value for entry in ListEntry.objects.all()] == ["blocked@example.com"]


@pytest.mark.parametrize("name", ["decision", "listentry"])
def test_a_longer_list_takes_no_more_queries(office: Client, name: str) -> None:
    counts = []
    for rows in (2, 8):
        while Decision.objects.count() < rows:
            make_decision()
            add_list_entry(f"{Decision.objects.count()}@example.com", list_name=ListName.WATCH)
        with CaptureQueriesContext(connection) as queries:
            page(office, f"{name}_changelist")
        counts.append(len(queries))

    assert counts[0] == counts[1]
