import re
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config import dashboard
from config.dashboard import charts, money
from config.dashboard.figures import span
from config.dashboard.money import DayOfCheckouts
from config.demo_data.records import id_at
from fraud.models import Decision, ReviewCase
from orders.admin.days import day_start
from orders.ids import first_id
from orders.models import Order
from payments.alerts.services import acknowledge, raise_alert
from payments.models import Alert, ChargeAttempt, LedgerPosting, SagaExecution, WebhookEvent
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_client, make_order

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
State, Status = SagaExecution.State, ChargeAttempt.Status


@pytest.fixture
def operator() -> Office:
    return Office(groups=("Operator",))


def make_saga(order: Order | None = None, *, at: datetime | None = None, **fields: Any) -> SagaExecution:
    row = {"definition": "checkout", "version": 1, "order": order or make_order(), **fields}
    key = id_at(at or timezone.now())
    return SagaExecution.objects.create(pk=key, business_key=str(key), **row)


def make_charge(status: ChargeAttempt.Status, *, at: datetime | None = None, **fields: Any) -> ChargeAttempt:
    saga = make_saga(fields.pop("order", None), at=at)
    row: dict[str, Any] = {"gateway": "sandbox", "currency": "USD", "amount_minor": 25_00, "status": status, **fields}
    if status == Status.CAPTURED:
        row |= {"authorized_minor": row["amount_minor"], "captured_minor": row["amount_minor"]}
    return ChargeAttempt.objects.create(pk=id_at(at or timezone.now()), order=saga.order, saga=saga, **row)


def make_capture(amount_minor: int = 25_00, *, at: datetime | None = None, **fields: Any) -> LedgerPosting:
    """Money that came today, unless said otherwise, for a charge of any day."""
    charge = fields.pop("charge", None) or make_charge(Status.CAPTURED, at=timezone.now() - timedelta(days=3))
    row: dict[str, Any] = {
        "gateway": "sandbox",
        "kind": "capture",
        "debit": "gateway_clearing",
        "credit": "sales",
        "currency": "USD",
    }
    moment = at or timezone.now()
    row |= {"transaction_id": str(id_at(moment)), "amount_minor": amount_minor, "posted_at": moment, **fields}
    return LedgerPosting.objects.create(charge=charge, **row)


def make_case(order: Order | None = None, **fields: Any) -> ReviewCase:
    decision = Decision.objects.create(
        order=order or make_order(), attempt=str(id_at(timezone.now())), stage="after_authorization",
        decision="review", ruleset_version=0,
    )  # fmt: skip
    return ReviewCase.objects.create(decision=decision, order=decision.order, **fields)


def figures(office: Office) -> dict[str, tuple[str, str, str]]:
    """Value, note and address of every number, by its label."""
    found = re.findall(
        r'<a href="([^"]*)"><span class="figure-label">(.*?)</span> <b class="figure-value">(.*?)</b> '
        r'<span class="figure-note">(.*?)</span>',
        office.page("index"),
    )
    return {label: (value, unescape(note), unescape(url)) for url, label, value, note in found}


def rows(office: Office, url: str) -> int:
    response = office.follow(url)
    assert response.status_code == 200
    return len(response.context["cl"].result_list)


def test_reviews_wait_with_their_number_age_and_time_left(operator: Office) -> None:
    hour, day = timedelta(hours=1, minutes=1), timedelta(days=1)
    make_case(due_at=timezone.now() + hour, created_at=timezone.now() - day)
    make_case(due_at=timezone.now() + day)
    make_case(state="claimed", claimed_by=operator.user, due_at=timezone.now() - hour)
    make_case(state="claimed", claimed_by=make_client())
    make_case(state="escalated")
    make_case(state="closed", outcome="approved")

    found = figures(operator)

    assert found["Reviews unclaimed"][:2] == ("2", "oldest 1 d; most urgent: 1 h left")
    assert found["Reviews of mine"][0] == "1"
    assert "overdue" in found["Reviews of mine"][1]
    assert found["Reviews escalated"][0] == "1"


def test_sagas_in_trouble_and_webhooks_that_failed_wait_too(operator: Office) -> None:
    for state in (State.NEEDS_ATTENTION, State.FAILED_COMPENSATION, State.FAILED_COMPENSATION, State.COMPLETED):
        make_saga(state=state, updated_at=timezone.now() - timedelta(hours=3))
    make_saga(state=State.WAITING, waiting_for="unknown_outcome")
    make_saga(state=State.WAITING, waiting_for="review")
    for number, status in enumerate(("failed", "processed")):
        WebhookEvent.objects.create(gateway="sandbox", event_id=f"evt-{number}", kind="k", body="{}", status=status)

    found = figures(operator)

    assert found["Sagas: needs attention"][:2] == ("1", "oldest 3 h")
    assert found["Sagas: failed compensation"][0] == "2"
    assert found["Sagas: unknown outcome"][0] == "1"
    assert found["Webhooks failed"][0] == "1"


def test_alerts_wait_until_somebody_says_that_he_knows(operator: Office) -> None:
    two_hours = timezone.now() - timedelta(hours=2)
    for number in range(3):
        alert = raise_alert("failed_compensation", f"saga_{number}", "So it is.")
        Alert.objects.filter(pk=alert.pk).update(opened_at=two_hours)
    acknowledge(alert, by=operator.user, note="")

    assert figures(operator)["Alerts"] == ("2", "oldest 2 h", "/admin/payments/alert/")


def test_the_money_of_today_is_told_by_currency_and_reason(operator: Office) -> None:
    for state in (State.COMPLETED, State.COMPLETED, State.COMPENSATED, State.RUNNING):
        make_saga(state=state)
    make_saga(state=State.COMPLETED, at=timezone.now() - timedelta(days=1))
    for status in (Order.Status.COMPLETED, Order.Status.PAYMENT_FAILED):
        resolved = make_saga(state=State.RESOLVED)
        Order.objects.filter(pk=resolved.order_id).update(status=status)
    make_capture()
    make_capture(3_000, currency="JPY")
    make_capture(77_00, at=timezone.now() - timedelta(days=1))
    make_charge(Status.DECLINED, decline_code="expired_card")

    html = operator.page("index")
    found = figures(operator)

    assert found["Success rate"][:2] == ("60 %", "3 of 5 ended ones")
    assert found["Checkouts"][0] == "7"
    assert "25.00 USD" in html
    assert "3,000 JPY" in html
    assert "77.00" not in html
    assert "Expired card <b>1</b>" in html


def test_every_number_leads_to_the_rows_it_counts(operator: Office) -> None:
    yesterday = timezone.now() - timedelta(days=1)
    make_case()
    make_case(state="escalated")
    make_case(state="claimed", claimed_by=operator.user)
    make_charge(Status.DECLINED, decline_code="expired_card")
    make_charge(Status.DECLINED, decline_code="expired_card", at=yesterday)
    raise_alert("failed_compensation", "saga_1", "So it is.")
    make_saga(state=State.NEEDS_ATTENTION)
    make_saga(state=State.WAITING, waiting_for="unknown_outcome", at=yesterday)
    make_capture()
    make_capture(at=yesterday)
    WebhookEvent.objects.create(gateway="sandbox", event_id="evt-1", kind="k", body="{}", status="failed")

    found = figures(operator)

    counted = [label for label in found if label not in ("Success rate", "Captured")]
    assert {label: rows(operator, found[label][2]) for label in counted} == {
        label: int(found[label][0]) for label in counted
    }
    assert found["Captured"][:2] == ("25.00 USD", "in 1 capture")
    assert rows(operator, found["Captured"][2]) == 1


def test_finance_is_told_of_orders_that_stand_still() -> None:
    Order.objects.filter(pk=make_order().pk).update(status=Order.Status.NEEDS_ATTENTION)
    finance = Office(groups=("Finance",))

    found = figures(finance)

    assert found["Orders: needs attention"][0] == "1"
    assert rows(finance, found["Orders: needs attention"][2]) == 1


def test_the_most_urgent_review_is_one_click_away_for_who_may_decide() -> None:
    assert "Claim next review" in Office(groups=("Fraud analyst",)).page("index")
    assert "Claim next review" not in Office(groups=("Auditor",)).page("index")


@pytest.mark.parametrize(
    ("group", "shown", "hidden"),
    [
        ("Operator", {"Alerts", "Reviews unclaimed", "Checkouts", "Captured", "Webhooks failed"}, set()),
        (
            "Fraud analyst",
            {"Reviews unclaimed", "Declined", "Blocked"},
            {"Alerts", "Checkouts", "Captured", "Webhooks failed"},
        ),
        (
            "Finance",
            {"Captured", "Refunds", "Orders: needs attention"},
            {"Reviews unclaimed", "Checkouts", "Sagas: unknown outcome", "Blocked"},
        ),
        ("Auditor", {"Reviews unclaimed", "Checkouts", "Refunds"}, set()),
        ("API client", {"Checkouts"}, {"Reviews unclaimed"}),
    ],
)
def test_what_one_may_not_see_is_not_shown(group: str, shown: set[str], hidden: set[str]) -> None:
    labels = figures(Office(groups=(group,))).keys()

    assert shown <= labels
    assert not hidden & labels


def test_who_may_see_nothing_meets_an_empty_dashboard() -> None:
    html = Office().page("index")

    assert "figure" not in html
    assert "<svg viewBox" not in html


def test_staff_of_one_client_counts_that_client_alone() -> None:
    office = Office("payments.view_sagaexecution", "payments.view_ledgerposting")
    make_saga(make_order(office.user), state=State.NEEDS_ATTENTION)
    make_saga(state=State.NEEDS_ATTENTION)
    make_capture()

    found = figures(office)

    assert found["Sagas: needs attention"][0] == found["Checkouts"][0] == "1"
    assert found["Captured"][0] == "0"


def test_a_fuller_house_takes_no_more_queries(operator: Office) -> None:
    operator.page("index")
    empty = operator.queries("index")
    for _ in range(4):
        make_case()
        make_charge(Status.DECLINED, decline_code="expired_card")

    assert operator.queries("index") == empty
    assert empty <= 17


def test_charts_are_drawn_without_styles_and_told_without_eyes(operator: Office) -> None:
    make_charge(Status.DECLINED, decline_code="expired_card")

    html = operator.page("index")
    drawings = re.findall(r"<svg viewBox.*?</svg>", html, re.DOTALL)

    assert len(drawings) == 2
    for drawing in drawings:
        assert 'role="img"' in drawing
        assert re.search(r'<title id="[a-z-]+">.+</title>\s*<desc id="[a-z-]+">.+</desc>', drawing)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html)
    assert html.count("<details><summary>The numbers as a table</summary>") == 2
    levels = [int(level) for level in re.findall(r"<h([1-6])", html)]
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_the_chart_of_days_counts_every_day_of_the_reader_apart(operator: Office) -> None:
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        days = money.last_days(NOW)
        make_saga(state=State.COMPLETED, at=days[0])
        make_saga(state=State.COMPENSATED, at=days[1] - timedelta(seconds=1))
        make_saga(state=State.RUNNING, at=days[-1])
        make_saga(state=State.COMPLETED, at=days[0] - timedelta(seconds=1))

        found = money.checkouts(operator.user, days)

    assert found is not None
    assert [(day.succeeded, day.failed, day.under_way) for day in (found[0], found[1], found[-1])] == [
        (1, 1, 0), (0, 0, 0), (0, 0, 1),
    ]  # fmt: skip
    assert (found[0].rate, found[1].rate) == (50, None)


def test_columns_stand_on_each_other_and_a_day_without_an_end_breaks_the_line() -> None:
    counts = [(2, 2, 0), (1, 0, 0), (0, 0, 1), (3, 1, 4)]

    drawn = charts.columns([DayOfCheckouts(NOW, *parts) for parts in counts])

    assert drawn.most == 8
    tallest = drawn.columns[-1]
    assert tallest.under_way_y >= drawn.top
    assert tallest.succeeded_y + tallest.succeeded_height == drawn.bottom
    assert tallest.failed_y + tallest.failed_height == tallest.succeeded_y
    assert [line.count(",") for line in drawn.rate_lines] == [2]
    assert len(drawn.rate_points) == 3
    assert drawn.told.startswith("14 checkouts")


def test_an_empty_chart_is_drawn_too() -> None:
    assert charts.bars({}).bars == []
    assert charts.columns([DayOfCheckouts(NOW, 0, 0, 0)]).rate_points == []


@pytest.mark.parametrize(
    ("length", "told"),
    [
        (timedelta(seconds=59), "under a minute"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(days=3, minutes=5), "3 d"),
    ],
)
def test_a_length_of_time_is_as_coarse_as_it_is_long(length: timedelta, told: str) -> None:
    assert span(length) == told


def test_a_day_begins_at_the_readers_midnight_also_when_clocks_change() -> None:
    with timezone.override(ZoneInfo("Europe/Berlin")):
        after_the_change = day_start(datetime(2026, 3, 30, 12, tzinfo=UTC))
        before = day_start(datetime(2026, 3, 30, 12, tzinfo=UTC), days_ago=1)

    assert after_the_change == datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert before == datetime(2026, 3, 28, 23, tzinfo=UTC)


def test_ids_of_a_day_are_not_before_its_first() -> None:
    assert id_at(NOW - timedelta(milliseconds=1)) < first_id(NOW) <= id_at(NOW)


def test_a_dashboard_is_asked_for_at_any_moment(operator: Office) -> None:
    assert len(dashboard.of(operator.user, now=NOW).queues) == 10


def choose(office: Office, name: str) -> Any:
    return office.post("time_zone", name=name)


def test_times_are_shown_in_the_chosen_zone_and_the_zone_is_named(operator: Office) -> None:
    order = make_order()
    Order.objects.filter(pk=order.pk).update(created_at=NOW)
    assert "2026-11-22 12:00:00" in operator.page("orders_order_change", order.pk)

    response = choose(operator, "Asia/Tokyo")

    assert response.redirect_chain == [(reverse("admin:index"), 302)]
    html = operator.page("orders_order_change", order.pk)
    assert "2026-11-22 21:00:00" in html
    assert "Times in Asia/Tokyo" in html
    assert "Times in UTC" in Office().page("index")


@pytest.mark.parametrize("name", ["", "Mars/Base", "../etc/passwd", "Etc/GMT+5"])
def test_a_zone_that_is_none_is_refused(operator: Office, name: str) -> None:
    response = choose(operator, name)

    assert b"errorlist" in response.content
    assert "Times in UTC" in operator.page("index")


@pytest.mark.parametrize("cookie", ["Mars/Base", "../etc/passwd", "x" * 2000, ""])
def test_a_cookie_that_names_no_zone_is_passed_over(client: Client, cookie: str) -> None:
    client.cookies["time_zone"] = cookie

    assert client.get("/admin/login/").status_code == 200


def test_the_api_keeps_to_utc_whatever_the_cookie_says(client: Client) -> None:
    client.cookies["time_zone"] = "Asia/Tokyo"

    with timezone.override(None):
        client.get("/admin/login/")
        client.get("/v1/orders")
        assert timezone.get_current_timezone_name() == "UTC"


def test_without_signing_in_there_is_no_zone_to_choose(client: Client) -> None:
    assert client.post(reverse("admin:time_zone"), {"name": "Asia/Tokyo"}).status_code == 302
    assert "time_zone" not in client.cookies


def test_all_clients_is_needed_to_count_for_all() -> None:
    make_saga(state=State.NEEDS_ATTENTION)

    assert figures(Office(ALL_CLIENTS, "payments.view_sagaexecution"))["Sagas: needs attention"][0] == "1"
    assert figures(Office("payments.view_sagaexecution"))["Sagas: needs attention"][0] == "0"
