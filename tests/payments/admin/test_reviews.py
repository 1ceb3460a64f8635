import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from fraud.facts import ListName
from fraud.models import ReviewCase
from fraud.services import add_list_entry, claim_case, close_case, escalate_case
from payments.admin.dossier import time_left
from payments.models import SagaExecution
from tests.fraud.builders import make_case_without_checkout
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_order
from tests.payments.builders import WORKER, charge_of, order_of, run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

ACTIONS = ["claim", "release", "assign", "escalate", "approve", "reject"]
WHY = "Spoke to the customer."


@pytest.fixture
def parked(sandbox: Sandbox) -> SagaExecution:
    return park()


def park(**fields: Any) -> SagaExecution:
    return run_checkout(make_order(**fields), "tok_avs_partial")


def case_of(saga: SagaExecution) -> ReviewCase:
    return ReviewCase.objects.get(order_id=saga.order_id)


def queue(office: Office, **query: str) -> str:
    return office.page("fraud_reviewcase_changelist", **query)


def page(office: Office, case: ReviewCase) -> str:
    return office.page("fraud_reviewcase_change", case.public_id)


def press(office: Office, case: ReviewCase, action: str, **form: object) -> str:
    """The page to which a button leads."""
    response = office.post(f"fraud_reviewcase_{action}", case.public_id, **form)
    assert response.status_code == 200
    case.refresh_from_db()
    return str(response.content.decode())


def logged(case: ReviewCase) -> list[tuple[str, str]]:
    entries = LogEntry.objects.filter(object_id=str(case.pk)).select_related("user").order_by("id")
    return [(entry.user.username, entry.get_change_message()) for entry in entries]


class TestTheQueue:
    def test_the_most_urgent_case_stands_first(self, office: Office) -> None:
        now = timezone.now()
        later = make_case_without_checkout(due_at=now + timedelta(days=2, hours=3, minutes=1))
        overdue = make_case_without_checkout(due_at=now - timedelta(hours=2, minutes=1))

        html = queue(office)

        assert html.index(overdue.public_id) < html.index(later.public_id)
        assert "2 d 3 h left" in html
        assert "overdue by 2 h 1 min" in html

    def test_a_row_tells_who_what_and_why(self, office: Office, sandbox: Sandbox) -> None:
        saga = park(customer_email="jo@example.com")
        claim_case(case_of(saga), by=office.user)

        html = queue(office)

        for told in (saga.order.public_id, "jo@example.com", "25.00 USD", f"by {office.user}", "address"):
            assert told in html

    def test_what_was_found_before_the_authorization_is_told_in_its_own_words(
        self, office: Office, sandbox: Sandbox
    ) -> None:
        add_list_entry("review@example.com", list_name=ListName.WATCH)
        run_checkout(make_order(customer_email="review@example.com"))

        html = queue(office)

        assert "On the watch list: the e-mail address." in html
        assert "Scored before the authorization." not in html

    @pytest.mark.parametrize(
        ("shown", "cases"),
        [
            ("", {"open", "mine", "theirs", "escalated"}),
            ("mine", {"mine"}),
            ("unclaimed", {"open"}),
            ("escalated", {"escalated"}),
            ("closed", {"closed"}),
            ("all", {"open", "mine", "theirs", "escalated", "closed"}),
        ],
    )
    def test_the_queue_is_filtered(self, office: Office, shown: str, cases: set[str]) -> None:
        names = ("open", "mine", "theirs", "escalated", "closed")
        rows = {name: make_case_without_checkout() for name in names}
        claim_case(rows["mine"], by=office.user)
        claim_case(rows["theirs"], by=Office().user)
        escalate_case(rows["escalated"], by=office.user, reason=WHY)
        close_case(rows["closed"], outcome="rejected", by=office.user, note=WHY)

        html = queue(office, **({"queue": shown} if shown else {}))

        assert {name for name, case in rows.items() if case.public_id in html} == cases

    def test_a_search_finds_what_is_closed_as_well(self, office: Office) -> None:
        case = make_case_without_checkout()
        close_case(case, outcome="rejected", by=office.user, note=WHY)

        for term in (case.public_id, case.order.public_id, case.decision.public_id, case.order.customer_email):
            assert f"by {office.user}</span>" in queue(office, q=term)

    def test_more_cases_take_no_more_queries(self, office: Office, sandbox: Sandbox) -> None:
        sagas = [park(customer_id="cus-1") for _ in range(2)]
        counts = []
        for more in (0, 6):
            sagas += [park(customer_id="cus-1") for _ in range(more)]
            list_, case = "fraud_reviewcase_changelist", "fraud_reviewcase_change"
            counts.append((office.queries(list_), office.queries(case, case_of(sagas[0]).public_id)))

        assert ReviewCase.objects.count() == 8
        assert counts[0] == counts[1]


class TestTheCase:
    def test_the_page_tells_everything_a_verdict_needs(self, office: Office, parked: SagaExecution) -> None:
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
        self, office: Office, sandbox: Sandbox, fields: dict[str, Any], same: str
    ) -> None:
        about = make_order(customer_id="cus-1", customer_email="ann@example.com")
        before = run_checkout(make_order(about.client, **fields), "tok_country_DE")
        saga = run_checkout(about, "tok_country_DE")

        html = page(office, case_of(saga))

        assert order_of(before).public_id in html
        assert f"<td>{same}</td>" in html
        assert "charge authorized" in html

    def test_a_declined_try_of_the_same_customer_is_told_by_its_reason(self, office: Office, sandbox: Sandbox) -> None:
        about = make_order(customer_id="cus-1")
        run_checkout(make_order(about.client, customer_id="cus-1"), "tok_insufficient_funds")

        assert "insufficient funds" in page(office, case_of(run_checkout(about, "tok_avs_partial")))

    def test_another_clients_customer_of_the_same_id_is_somebody_else(self, office: Office, sandbox: Sandbox) -> None:
        make_order(customer_id="cus-1", customer_email="else@example.com", reference="elsewhere")
        saga = park(customer_id="cus-1")

        assert "Never seen before." in page(office, case_of(saga))

    def test_of_a_long_history_the_last_orders_are_shown(self, office: Office) -> None:
        case = make_case_without_checkout()
        for _ in range(12):
            make_order(case.order.client, customer_id=case.order.customer_id, customer_email="other@example.com")

        assert page(office, case).count("<td>customer</td>") == 10

    def test_money_that_was_taken_already_is_told_as_taken(
        self, office: Office, sandbox: Sandbox, settings: Any
    ) -> None:
        settings.FRAUD_REVIEW_MODE = "post_charge"

        html = page(office, case_of(park()))

        assert "25.00 USD is taken" in html
        assert "Nothing happens by itself." in html
        assert "Reject and refund 25.00 USD" in html

    def test_a_case_without_a_checkout_is_shown_all_the_same(self, office: Office) -> None:
        assert "The checkout is not waiting for this verdict any more." in page(office, make_case_without_checkout())

    def test_who_may_not_see_orders_or_sagas_is_not_led_to_them(self, parked: SagaExecution) -> None:
        html = page(Office(ALL_CLIENTS, "fraud.view_reviewcase"), case_of(parked))

        assert parked.public_id not in html
        assert "/admin/orders/" not in html
        assert "/admin/payments/" not in html

    def test_what_a_customer_wrote_is_shown_as_text(self, office: Office, sandbox: Sandbox) -> None:
        saga = park(reference="<script>alert(1)</script>")

        assert "<script>alert(1)" not in page(office, case_of(saga))

    def test_it_holds_to_the_content_security_policy(self, office: Office, parked: SagaExecution) -> None:
        for html in (page(office, case_of(parked)), queue(office)):
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", html)

    @pytest.mark.parametrize(
        ("hours", "words"),
        [(50.5, "2 d 2 h left"), (3.5, "3 h 30 min left"), (0.5, "30 min left"), (-26, "overdue by 1 d 2 h")],
    )
    def test_time_is_told_as_coarsely_as_it_is_long(self, hours: float, words: str) -> None:
        now = timezone.now()

        assert words in time_left(ReviewCase(due_at=now + timedelta(hours=hours)), now)


class TestActing:
    def test_claim_next_opens_the_most_urgent_case(self, office: Office, sandbox: Sandbox) -> None:
        now = timezone.now()
        make_case_without_checkout(due_at=now + timedelta(hours=2))
        urgent = make_case_without_checkout(due_at=now + timedelta(hours=1))

        response = office.post("fraud_reviewcase_claim_next")

        urgent.refresh_from_db()
        assert response.redirect_chain[-1][0] == reverse("admin:fraud_reviewcase_change", args=[urgent.public_id])
        assert (urgent.state, urgent.claimed_by) == ("claimed", office.user)

    def test_when_nobody_waits_claim_next_says_so(self, office: Office) -> None:
        assert "There is no unclaimed review." in office.post("fraud_reviewcase_claim_next").content.decode()

    def test_a_claimed_case_is_given_back(self, office: Office) -> None:
        case = make_case_without_checkout()

        assert "You have this review." in press(office, case, "claim")
        assert "anybody may claim" in press(office, case, "release")

        assert (case.state, case.claimed_by) == ("open", None)
        name = office.user.username
        assert logged(case) == [
            (name, f"Claimed: open → claimed by {name}."),
            (name, f"Released: claimed by {name} → open."),
        ]

    def test_only_who_has_a_case_gives_it_back(self, office: Office) -> None:
        case, other = make_case_without_checkout(), Office()
        claim_case(case, by=other.user)

        assert "Only who has claimed" in press(office, case, "release")
        assert "Somebody has claimed" in press(office, case, "claim")
        assert case.claimed_by == other.user

    def test_a_case_is_assigned_to_whoever_may_decide(self, office: Office) -> None:
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

    def test_an_escalated_case_waits_for_somebody_who_takes_it(self, office: Office) -> None:
        case = make_case_without_checkout()
        press(office, case, "claim")

        press(office, case, "escalate", reason="Too much money for me.")

        assert (case.state, case.claimed_by) == ("escalated", None)
        assert "Too much money for me." in page(office, case)
        assert "no unclaimed review" in office.post("fraud_reviewcase_claim_next").content.decode()
        assert "You have this review." in press(office, case, "claim")

    def test_an_approval_is_logged_and_captures(self, office: Office, parked: SagaExecution) -> None:
        case = case_of(parked)
        press(office, case, "claim")

        html = press(office, case, "approve", reason=WHY)

        assert html.count("25.00 USD is captured.") == 2
        assert f"by {office.user}</span>" in html
        assert WHY in html
        assert (charge_of(parked).status, order_of(parked).status) == ("captured", "completed")
        name = office.user.username
        assert logged(case)[-1] == (name, f"Approved: claimed by {name} → closed as approved. {WHY}")

    def test_a_rejection_voids(self, office: Office, parked: SagaExecution) -> None:
        html = press(office, case_of(parked), "reject", reason=WHY)

        assert "Rejected. Nothing was taken." in html
        assert (charge_of(parked).status, order_of(parked).status) == ("voided", "payment_failed")

    def test_a_verdict_stands_while_the_payment_is_in_a_workers_hands(
        self, office: Office, parked: SagaExecution
    ) -> None:
        SagaExecution.objects.filter(pk=parked.pk).update(lease_owner=WORKER, lease_until=Now() + timedelta(minutes=1))

        html = press(office, case_of(parked), "approve", reason=WHY)

        assert "Approved. The payment goes on." in html
        assert charge_of(parked).status == "authorized"

    def test_an_approved_payment_that_fails_all_the_same_says_so(self, office: Office, sandbox: Sandbox) -> None:
        add_list_entry("review@example.com", list_name=ListName.WATCH)
        saga = run_checkout(make_order(customer_email="review@example.com"), "tok_capture_fails")

        html = press(office, case_of(saga), "approve", reason=WHY)

        assert "Approved. Nothing was taken." in html
        assert order_of(saga).status == "payment_failed"

    @pytest.mark.parametrize("action", ["approve", "reject", "escalate"])
    @pytest.mark.parametrize("reason", ["", "  \n", "x" * 2001])
    def test_without_a_reason_nothing_happens(
        self, office: Office, parked: SagaExecution, action: str, reason: str
    ) -> None:
        case = case_of(parked)

        html = press(office, case, action, reason=reason)

        assert 'class="error"' in html
        assert (case.state, logged(case)) == ("open", [])

    def test_the_slower_of_two_verdicts_is_told_of_the_first(self, office: Office, parked: SagaExecution) -> None:
        case, other = case_of(parked), Office(groups=("Fraud analyst",))
        press(other, case, "approve", reason=WHY)

        for action in ("reject", "approve", "escalate", "claim"):
            html = press(office, case, action, reason=WHY)
            assert f"This review was closed already by {other.user} as approved." in html

        assert (case.outcome, case.closed_by, len(logged(case))) == ("approved", other.user, 1)

    def test_a_case_whose_time_ran_out_says_so(self, office: Office) -> None:
        case = make_case_without_checkout()
        close_case(case, outcome="expired", by=None, note="Nobody decided in time.")

        told = "This review was closed already as expired. Nobody decided in time."
        assert told in press(office, case, "approve", reason=WHY)
        assert "Ended without a verdict on" in page(office, case)


class TestWhoMay:
    def test_who_may_only_look_has_no_buttons_and_is_refused(self, parked: SagaExecution) -> None:
        case, auditor = case_of(parked), Office(groups=("Auditor",))

        for html in (page(auditor, case), queue(auditor)):
            assert "<button" not in html.split('id="content-main"')[1].replace('<button type="submit">Search', "")
        for action in ACTIONS:
            response = auditor.post(f"fraud_reviewcase_{action}", case.public_id, reason=WHY, person=auditor.user.pk)
            assert response.status_code == 403
        assert auditor.post("fraud_reviewcase_claim_next").status_code == 403
        case.refresh_from_db()
        assert (case.state, logged(case)) == ("open", [])

    def test_without_the_permission_to_view_there_is_nothing(self, parked: SagaExecution) -> None:
        case, blind = case_of(parked), Office(ALL_CLIENTS, "fraud.change_decision")

        assert blind.get("fraud_reviewcase_changelist").status_code == 403
        assert blind.get("fraud_reviewcase_change", case.public_id).status_code == 403
        assert blind.post("fraud_reviewcase_claim", case.public_id).status_code == 403

    def test_staff_of_one_client_has_the_cases_of_that_client_alone(self, sandbox: Sandbox) -> None:
        office = Office("fraud.view_reviewcase", "fraud.change_reviewcase")
        foreign = case_of(park())
        own = case_of(run_checkout(make_order(office.user), "tok_avs_partial"))

        html = queue(office)
        assert own.public_id in html
        assert foreign.public_id not in html
        assert office.post("fraud_reviewcase_approve", foreign.public_id, reason=WHY).status_code == 404
        office.post("fraud_reviewcase_claim_next")
        office.post("fraud_reviewcase_claim_next")
        foreign.refresh_from_db()
        assert foreign.state == "open"

    @pytest.mark.parametrize("action", ACTIONS)
    def test_looking_changes_nothing(self, office: Office, parked: SagaExecution, action: str) -> None:
        case = case_of(parked)

        assert office.get(f"fraud_reviewcase_{action}", case.public_id, reason=WHY).status_code == 302
        assert office.get("fraud_reviewcase_claim_next").status_code == 302

        case.refresh_from_db()
        assert (case.state, logged(case)) == ("open", [])

    def test_a_form_from_elsewhere_is_refused(self, office: Office, parked: SagaExecution) -> None:
        case, http = case_of(parked), Client(enforce_csrf_checks=True)
        http.force_login(office.user)

        for action in ACTIONS:
            address = reverse(f"admin:fraud_reviewcase_{action}", args=[case.public_id])
            assert http.post(address, {"reason": WHY}).status_code == 403
        assert http.post(reverse("admin:fraud_reviewcase_claim_next")).status_code == 403

    def test_the_stock_form_changes_nothing(self, office: Office, parked: SagaExecution) -> None:
        case = case_of(parked)

        for action in ("change", "delete"):
            response = office.post(f"fraud_reviewcase_{action}", case.public_id, state="closed", outcome="approved")
            assert response.status_code == 403

    @pytest.mark.parametrize("object_id", ["rev_01h455vb4pex5vsknk084sn02q", "rev_1", "7", "'"])
    def test_a_case_that_is_not_there_is_not_found(self, office: Office, object_id: str) -> None:
        assert office.post("fraud_reviewcase_claim", object_id).status_code == 404


@pytest.mark.django_db(transaction=True)
class TestTwoPeopleAtOnce:
    def at_once(self, first: Callable[[], Any], second: Callable[[], Any]) -> None:
        barrier = Barrier(2)

        def run(press: Callable[[], Any]) -> None:
            try:
                barrier.wait()
                press()
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run, (first, second)))

    def people(self) -> list[Office]:
        return [Office(groups=("Operator",)), Office(groups=("Fraud analyst",))]

    def test_they_get_two_cases(self, sandbox: Sandbox) -> None:
        cases = [make_case_without_checkout() for _ in range(3)]
        ann, bob = self.people()

        self.at_once(*(lambda each=each: each.post("fraud_reviewcase_claim_next") for each in (ann, bob)))

        holders = [ReviewCase.objects.get(pk=case.pk).claimed_by for case in cases]
        taken = [holder for holder in holders if holder]
        assert sorted(taken, key=str) == sorted([ann.user, bob.user], key=str)

    def test_they_give_one_verdict(self, sandbox: Sandbox) -> None:
        saga = park()
        case = case_of(saga)
        ann, bob = self.people()
        answers: dict[User, str] = {}

        def decide(office: Office, action: str) -> None:
            response = office.post(f"fraud_reviewcase_{action}", case.public_id, reason=WHY)
            answers[office.user] = response.content.decode()

        self.at_once(lambda: decide(ann, "approve"), lambda: decide(bob, "reject"))

        case.refresh_from_db()
        winner, loser = (ann, bob) if case.outcome == "approved" else (bob, ann)
        assert case.closed_by == winner.user
        assert f"closed already by {winner.user} as {case.outcome}" in answers[loser.user]
        assert [name for name, _ in logged(case)] == [winner.user.username]
