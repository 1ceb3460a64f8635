from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from fraud.facts import ListName
from fraud.services import add_list_entry, claim_case, close_case
from payments.models import SagaExecution
from tests.fraud.builders import make_case_without_checkout
from tests.office import Office
from tests.orders.builders import make_order
from tests.payments.admin.desk import WHY, case_of, logged, page, park, press
from tests.payments.builders import WORKER, charge_of, order_of, run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def test_claim_next_opens_the_most_urgent_case(office: Office, sandbox: Sandbox) -> None:
    now = timezone.now()
    make_case_without_checkout(due_at=now + timedelta(hours=2))
    urgent = make_case_without_checkout(due_at=now + timedelta(hours=1))

    response = office.post("fraud_reviewcase_claim_next")

    urgent.refresh_from_db()
    assert response.redirect_chain[-1][0] == reverse("admin:fraud_reviewcase_change", args=[urgent.public_id])
    assert (urgent.state, urgent.claimed_by) == ("claimed", office.user)


def test_when_nobody_waits_claim_next_says_so(office: Office) -> None:
    assert "There is no unclaimed review." in office.post("fraud_reviewcase_claim_next").content.decode()


def test_a_claimed_case_is_given_back(office: Office) -> None:
    case = make_case_without_checkout()

    assert "You have this review." in press(office, case, "claim")
    assert "anybody may claim" in press(office, case, "release")

    assert (case.state, case.claimed_by) == ("open", None)
    name = office.user.username
    assert logged(case) == [
        (name, f"Claimed: open → claimed by {name}."),
        (name, f"Released: claimed by {name} → open."),
    ]


def test_only_who_has_a_case_gives_it_back(office: Office) -> None:
    case, other = make_case_without_checkout(), Office()
    claim_case(case, by=other.user)

    assert "Only who has claimed" in press(office, case, "release")
    assert "Somebody has claimed" in press(office, case, "claim")
    assert case.claimed_by == other.user


def test_a_case_is_assigned_to_whoever_may_decide(office: Office) -> None:
    case = make_case_without_checkout()
    analyst, auditor = Office(groups=("Fraud analyst",)).user, Office(groups=("Auditor",)).user

    html = page(office, case)
    assert f">{analyst}</option>" in html
    assert f">{auditor}</option>" not in html
    press(office, case, "assign", person=auditor.pk)
    assert case.state == "open"
    press(office, case, "assign", person=analyst.pk)

    assert (case.state, case.claimed_by) == ("claimed", analyst)
    assert logged(case) == [(office.user.username, f"Assigned: open → claimed by {analyst}.")]


def test_an_escalated_case_waits_for_somebody_who_takes_it(office: Office) -> None:
    case = make_case_without_checkout()
    press(office, case, "claim")

    press(office, case, "escalate", reason="Too much money for me.")

    assert (case.state, case.claimed_by) == ("escalated", None)
    assert "Too much money for me." in page(office, case)
    assert "no unclaimed review" in office.post("fraud_reviewcase_claim_next").content.decode()
    assert "You have this review." in press(office, case, "claim")


def test_an_approval_is_logged_and_captures(office: Office, parked: SagaExecution) -> None:
    case = case_of(parked)
    press(office, case, "claim")

    html = press(office, case, "approve", reason=WHY)

    assert html.count("25.00 USD is captured.") == 2
    assert f"by {office.user}</span>" in html
    assert WHY in html
    assert (charge_of(parked).status, order_of(parked).status) == ("captured", "completed")
    name = office.user.username
    assert logged(case)[-1] == (name, f"Approved: claimed by {name} → closed as approved. {WHY}")


def test_a_rejection_voids(office: Office, parked: SagaExecution) -> None:
    html = press(office, case_of(parked), "reject", reason=WHY)

    assert "Rejected. Nothing was taken." in html
    assert (charge_of(parked).status, order_of(parked).status) == ("voided", "payment_failed")


def test_a_verdict_stands_while_the_payment_is_in_a_workers_hands(office: Office, parked: SagaExecution) -> None:
    SagaExecution.objects.filter(pk=parked.pk).update(lease_owner=WORKER, lease_until=Now() + timedelta(minutes=1))

    html = press(office, case_of(parked), "approve", reason=WHY)

    assert "Approved. The payment goes on." in html
    assert charge_of(parked).status == "authorized"


def test_what_was_taken_before_the_verdict_goes_back_at_once(
    office: Office, sandbox: Sandbox, settings: Settings
) -> None:
    settings.FRAUD_REVIEW_MODE = "post_charge"
    saga = park()

    html = press(office, case_of(saga), "reject", reason=WHY)

    assert "Rejected. 25.00 USD went back." in html
    assert charge_of(saga).refunded_minor == 25_00


def test_an_approved_payment_that_fails_all_the_same_says_so(office: Office, sandbox: Sandbox) -> None:
    add_list_entry("review@example.com", list_name=ListName.WATCH)
    saga = run_checkout(make_order(customer_email="review@example.com"), "tok_capture_fails")

    html = press(office, case_of(saga), "approve", reason=WHY)

    assert "Approved. Nothing was taken." in html
    assert order_of(saga).status == "payment_failed"


@pytest.mark.parametrize("action", ["approve", "reject", "escalate"])
@pytest.mark.parametrize("reason", ["", "  \n", "x" * 2001])
def test_without_a_reason_nothing_happens(office: Office, parked: SagaExecution, action: str, reason: str) -> None:
    case = case_of(parked)

    html = press(office, case, action, reason=reason)

    assert 'class="error"' in html
    assert (case.state, logged(case)) == ("open", [])


def test_the_slower_of_two_verdicts_is_told_of_the_first(office: Office, parked: SagaExecution) -> None:
    case, other = case_of(parked), Office(groups=("Fraud analyst",))
    press(other, case, "approve", reason=WHY)

    for action in ("reject", "approve", "escalate", "claim"):
        html = press(office, case, action, reason=WHY)
        assert f"This review was closed already by {other.user} as approved." in html

    assert (case.outcome, case.closed_by, len(logged(case))) == ("approved", other.user, 1)


def test_a_case_whose_time_ran_out_says_so(office: Office) -> None:
    case = make_case_without_checkout()
    close_case(case, outcome="expired", by=None, note="Nobody decided in time.")

    told = "This review was closed already as expired. Nobody decided in time."
    assert told in press(office, case, "approve", reason=WHY)
    assert "Ended without a verdict on" in page(office, case)
