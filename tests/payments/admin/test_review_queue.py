from datetime import timedelta

import pytest
from django.utils import timezone

from fraud.facts import ListName
from fraud.models import ReviewCase
from fraud.services import add_list_entry, claim_case, close_case, escalate_case
from tests.fraud.builders import make_case_without_checkout
from tests.office import Office
from tests.orders.builders import make_order
from tests.payments.admin.desk import WHY, case_of, park, queue
from tests.payments.builders import run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def test_the_most_urgent_case_stands_first(office: Office) -> None:
    now = timezone.now()
    later = make_case_without_checkout(due_at=now + timedelta(days=2, hours=3, minutes=1))
    overdue = make_case_without_checkout(due_at=now - timedelta(hours=2, minutes=1))

    html = queue(office)

    assert html.index(overdue.public_id) < html.index(later.public_id)
    assert "2 d 3 h left" in html
    assert "overdue by 2 h 1 min" in html


def test_a_row_tells_who_what_and_why(office: Office, sandbox: Sandbox) -> None:
    saga = park(customer_email="jo@example.com")
    claim_case(case_of(saga), by=office.user)

    html = queue(office)

    for told in (saga.order.public_id, "jo@example.com", "25.00 USD", f"by {office.user}", "address"):
        assert told in html


def test_what_was_found_before_the_authorization_is_told_in_its_own_words(office: Office, sandbox: Sandbox) -> None:
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
def test_the_queue_is_filtered(office: Office, shown: str, cases: set[str]) -> None:
    names = ("open", "mine", "theirs", "escalated", "closed")
    rows = {name: make_case_without_checkout() for name in names}
    claim_case(rows["mine"], by=office.user)
    claim_case(rows["theirs"], by=Office().user)
    escalate_case(rows["escalated"], by=office.user, reason=WHY)
    close_case(rows["closed"], outcome="rejected", by=office.user, note=WHY)

    html = queue(office, **({"queue": shown} if shown else {}))

    assert {name for name, case in rows.items() if case.public_id in html} == cases


def test_a_search_finds_what_is_closed_as_well(office: Office) -> None:
    case = make_case_without_checkout()
    close_case(case, outcome="rejected", by=office.user, note=WHY)

    for term in (case.public_id, case.order.public_id, case.decision.public_id, case.order.customer_email):
        assert f"by {office.user}</span>" in queue(office, q=term)


def test_more_cases_take_no_more_queries(office: Office, sandbox: Sandbox) -> None:
    sagas = [park(customer_id="cus-1") for _ in range(2)]
    office.page("fraud_reviewcase_change", case_of(sagas[0]).public_id)  # content types are read once in each process
    counts = []
    for more in (0, 6):
        sagas += [park(customer_id="cus-1") for _ in range(more)]
        list_, case = "fraud_reviewcase_changelist", "fraud_reviewcase_change"
        counts.append((office.queries(list_), office.queries(case, case_of(sagas[0]).public_id)))

    assert ReviewCase.objects.count() == 8
    assert counts[0] == counts[1]
