import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from fraud.models import ReviewCase
from payments.admin.dossier import time_left
from payments.models import SagaExecution
from tests.fraud.builders import make_case_without_checkout
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_order
from tests.payments.admin.desk import case_of, page, park, queue
from tests.payments.builders import advance, charge_of, order_of, run_checkout
from tests.payments.sagas.evidence import overdue
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def test_the_page_tells_everything_a_verdict_needs(office: Office, parked: SagaExecution) -> None:
    case, charge = case_of(parked), charge_of(parked)

    html = page(office, case)

    assert "25.00 USD is authorized and not taken" in html
    assert "the authorization is voided" in html
    for told in (
        parked.public_id,
        charge.public_id,
        order_of(parked).public_id,
        f"•••• {charge.card_last4}",
        "6 d 22 h left",
    ):
        assert told in html
    assert "Before the card was asked" in html
    assert "After the card&#x27;s issuer had answered" in html
    assert "Never seen before." in html


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"customer_id": "cus-1"}, "customer, card"),
        ({"customer_email": "ann@example.com"}, "e-mail, card"),
        ({}, "card"),
    ],
)
def test_what_the_same_people_bought_before_is_told(
    office: Office, sandbox: Sandbox, fields: dict[str, Any], same: str
) -> None:
    about = make_order(customer_id="cus-1", customer_email="ann@example.com")
    before = run_checkout(make_order(about.client, **fields), "tok_country_DE")
    saga = run_checkout(about, "tok_country_DE")

    html = page(office, case_of(saga))

    assert order_of(before).public_id in html
    assert f"<td>{same}</td>" in html
    assert "charge authorized" in html


def test_a_declined_try_of_the_same_customer_is_told_by_its_reason(office: Office, sandbox: Sandbox) -> None:
    about = make_order(customer_id="cus-1")
    run_checkout(make_order(about.client, customer_id="cus-1"), "tok_insufficient_funds")

    assert "insufficient funds" in page(office, case_of(run_checkout(about, "tok_avs_partial")))


def test_another_clients_customer_of_the_same_id_is_somebody_else(office: Office, sandbox: Sandbox) -> None:
    make_order(customer_id="cus-1", customer_email="else@example.com", reference="elsewhere")
    saga = park(customer_id="cus-1")

    assert "Never seen before." in page(office, case_of(saga))


def test_of_a_long_history_the_last_orders_are_shown(office: Office) -> None:
    case = make_case_without_checkout()
    for _ in range(12):
        make_order(case.order.client, customer_id=case.order.customer_id, customer_email="other@example.com")

    assert page(office, case).count("<td>customer</td>") == 10


def test_money_that_was_taken_already_is_told_as_taken(office: Office, sandbox: Sandbox, settings: Any) -> None:
    settings.FRAUD_REVIEW_MODE = "post_charge"

    html = page(office, case_of(park()))

    assert "25.00 USD is taken" in html
    assert "Nothing happens by itself." in html
    assert "Reject and refund 25.00 USD" in html


def test_what_is_captured_at_the_deadline_says_so_before_and_after(
    office: Office, sandbox: Sandbox, settings: Settings
) -> None:
    settings.AUTHORIZATION_EXPIRY_POLICY = "capture"
    saga = park()
    assert "the money is taken, for its authorization is about to expire" in page(office, case_of(saga))

    advance(overdue(saga))

    html = page(office, case_of(saga))
    for told in (
        "25.00 USD was taken before its authorization expired: the parcel waits for a verdict.",
        "the review ends as expired: the money goes back",
        "Approve and ship",
        "Reject and refund 25.00 USD",
        "5 d 23 h left",
    ):
        assert told in html


def test_a_case_without_a_checkout_is_shown_all_the_same(office: Office) -> None:
    assert "The checkout is not waiting for this verdict any more." in page(office, make_case_without_checkout())


def test_who_may_not_see_orders_or_sagas_is_not_led_to_them(parked: SagaExecution) -> None:
    html = page(Office(ALL_CLIENTS, "fraud.view_reviewcase"), case_of(parked))

    assert parked.public_id not in html
    assert "/admin/orders/" not in html
    assert "/admin/payments/" not in html


def test_what_a_customer_wrote_is_shown_as_text(office: Office, sandbox: Sandbox) -> None:
    saga = park(reference="<script>alert(1)</script>")

    assert "<script>alert(1)" not in page(office, case_of(saga))


def test_it_holds_to_the_content_security_policy(office: Office, parked: SagaExecution) -> None:
    for html in (page(office, case_of(parked)), queue(office)):
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", html)


@pytest.mark.parametrize(
    ("hours", "words"),
    [(50.5, "2 d 2 h left"), (3.5, "3 h 30 min left"), (0.5, "30 min left"), (-26, "overdue by 1 d 2 h")],
)
def test_time_is_told_as_coarsely_as_it_is_long(hours: float, words: str) -> None:
    now = timezone.now()

    assert words in time_left(ReviewCase(due_at=now + timedelta(hours=hours)), now)
