import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from pytest_django import Settings

from payments.alerts import kinds, services
from payments.models import Alert, AlertNotice
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_order
from tests.payments.alerts.builders import KIND, fresh, make_alert, make_stuck_saga, run_round

pytestmark = pytest.mark.django_db

LIST, PAGE = "payments_alert_changelist", "payments_alert_change"


def press(office: Office, alert: Alert, action: str, **form: object) -> str:
    response = office.post(f"payments_alert_{action}", alert.public_id, **form)
    assert response.status_code == 200
    return str(response.content.decode())


class TestTheList:
    @pytest.fixture
    def alerts(self, office: Office) -> dict[str, Alert]:
        made = {
            name: make_alert(name, summary=f"About {name}.") for name in ("open", "acknowledged", "snoozed", "closed")
        }
        services.acknowledge(made["acknowledged"], by=office.user, note="")
        services.snooze(made["snoozed"], by=office.user, hours=4)
        services.clear_alert(KIND, "closed")
        return made

    @pytest.mark.parametrize(
        ("shown", "expected"),
        [
            ("", {"open"}),
            ("acknowledged", {"acknowledged"}),
            ("snoozed", {"snoozed"}),
            ("closed", {"closed"}),
            ("all", {"open", "acknowledged", "snoozed", "closed"}),
        ],
    )
    def test_is_a_queue_for_each_state(
        self, office: Office, alerts: dict[str, Alert], shown: str, expected: set[str]
    ) -> None:
        html = office.page(LIST, **({"queue": shown} if shown else {}))

        assert {name for name, alert in alerts.items() if alert.public_id in html} == expected

    def test_says_who_knows_and_what_was_not_delivered(self, office: Office, alerts: dict[str, Alert]) -> None:
        Alert.objects.filter(pk=alerts["acknowledged"].pk).update(last_error="webhook: answered 500", notifications=2)

        html = office.page(LIST, queue="all")

        for told in (f"by {office.user}</span>", "until ", "not delivered", "2 times", "About closed."):
            assert told in html

    def test_a_search_finds_what_is_closed_as_well(self, office: Office) -> None:
        saga = make_stuck_saga()
        run_round()
        alert = Alert.objects.get()
        services.clear_alert(alert.kind, alert.subject)

        for term in (alert.public_id, saga.public_id, saga.order.public_id):
            assert alert.public_id in office.page(LIST, q=term)

    def test_is_filtered_by_kind(self, office: Office) -> None:
        shown, hidden = make_alert("a", kind="backlog_age"), make_alert("b", kind="failed_compensation")

        html = office.page(LIST, kind="backlog_age")

        assert shown.public_id in html
        assert hidden.public_id not in html

    def test_staff_of_one_client_sees_what_is_about_its_orders(self) -> None:
        office = Office("payments.view_alert")
        own = services.raise_alert(KIND, "a", "Own.", order_id=make_order(office.user).pk)
        foreign = services.raise_alert(KIND, "b", "Foreign.", order_id=make_order().pk)
        everybodys = make_alert()

        html = office.page(LIST)

        assert own.public_id in html
        assert foreign.public_id not in html
        assert everybodys.public_id not in html

    def test_more_alerts_take_no_more_queries(self, office: Office, settings: Any) -> None:
        settings.ALERT_EMAILS = ["ops@example.com"]
        counts = []
        for more in (2, 6):
            for _ in range(more):
                make_stuck_saga()
            run_round()
            alert = Alert.objects.earliest("id")
            office.page(PAGE, alert.public_id)  # Django remembers the content types that it has asked for once
            counts.append((office.queries(LIST), office.queries(PAGE, alert.public_id)))

        assert Alert.objects.count() == 8
        assert counts[0] == counts[1]


class TestThePage:
    def test_tells_what_it_is_about_and_what_to_do(self, office: Office, settings: Any) -> None:
        settings.ALERT_EMAILS = ["ops@example.com"]
        saga = make_stuck_saga()
        run_round()
        alert = Alert.objects.get()

        html = office.page(PAGE, alert.public_id)

        advice = kinds.FAILED_COMPENSATION
        for told in (alert.summary, advice.advice, advice.more, "Failed compensation", "once", "opened"):
            assert told in html
        assert (
            f'<a class="button" href="/admin/payments/sagaexecution/{saga.public_id}/change/">Open the saga</a>' in html
        )
        assert f'href="/admin/orders/order/{saga.order.public_id}/change/"' in html

    @pytest.mark.parametrize(
        "subject", ["", "checkout:9", "run_01h455vb4pex5vsknk084sn02q", "msg_01h455vb4pex5vsknk084sn02q", "saga_x"]
    )
    def test_what_has_no_page_is_named_without_a_link(self, office: Office, subject: str) -> None:
        html = office.page(PAGE, make_alert(subject).public_id)

        assert (subject or "everything") in html
        assert "Look at what it is about." in html

    def test_leads_nobody_to_what_they_may_not_see(self) -> None:
        alert = make_alert(make_stuck_saga().public_id)

        assert "Open the saga" not in Office(ALL_CLIENTS, "payments.view_alert").page(PAGE, alert.public_id)

    def test_is_answered_once_and_offers_no_more_then(self, office: Office) -> None:
        alert = make_alert()

        html = press(office, alert, "acknowledge", note="I am on <it>.")

        assert "Acknowledged: nobody is told of it again" in html
        assert "I am on &lt;it&gt;." in html
        assert "Tell nobody for" not in html
        assert (fresh(alert).acknowledged_by, fresh(alert).note) == (office.user, "I am on <it>.")
        assert LogEntry.objects.get().get_change_message() == "Acknowledged: I am on <it>."

    @pytest.mark.parametrize("hours", [1, 4, 24])
    def test_is_snoozed(self, office: Office, hours: int) -> None:
        alert = make_alert()

        html = press(office, alert, "snooze", hours=hours)

        assert f"nobody is told of it for {hours} h" in html
        assert "snoozed" in html
        assert fresh(alert).snoozed_by == office.user
        assert "/admin/auth/user/" not in html.partition("Who knows of it")[2]

    def test_keeps_the_note_of_who_snoozes_it(self, office: Office) -> None:
        alert = make_alert()

        html = press(office, alert, "snooze", hours=1, note="I am on it.")

        assert (fresh(alert).note, "I am on it." in html) == ("I am on it.", True)
        assert LogEntry.objects.get().get_change_message() == "Snoozed for 1 h: I am on it."

    def test_says_when_nobody_can_be_told(self, office: Office, settings: Settings) -> None:
        alert = make_alert()
        told = "nobody: no address is set up"
        assert told in office.page("payments_alert_change", alert.public_id)

        settings.ALERT_EMAILS = ["ops@example.com"]

        assert told not in office.page("payments_alert_change", alert.public_id)

    @pytest.mark.parametrize(
        ("action", "form"), [("snooze", {"hours": "2"}), ("snooze", {}), ("acknowledge", {"note": "x" * 501})]
    )
    def test_what_is_no_answer_changes_nothing(self, office: Office, action: str, form: dict[str, str]) -> None:
        alert = make_alert()

        assert "Nothing was changed" in press(office, alert, action, **form)

        assert (fresh(alert).acknowledged_at, fresh(alert).snoozed_until) == (None, None)
        assert not LogEntry.objects.exists()

    def test_the_second_to_answer_is_told_of_the_first(self, office: Office) -> None:
        alert, other = make_alert(), Office(groups=("Operator",))
        press(other, alert, "acknowledge")

        assert f"This alert was acknowledged already by {other.user}." in press(office, alert, "snooze", hours=1)

    def test_of_an_alert_that_is_over_says_so(self, office: Office) -> None:
        alert = make_alert()
        services.clear_alert(KIND, "")

        assert "This alert is over." in press(office, alert, "acknowledge")
        assert "Tell nobody for" not in office.page(PAGE, alert.public_id)

    @pytest.mark.parametrize("action", ["acknowledge", "snooze"])
    def test_looking_at_a_button_does_nothing(self, office: Office, action: str) -> None:
        alert = make_alert()

        assert office.get(f"payments_alert_{action}", alert.public_id).status_code == 302

        assert fresh(alert).acknowledged_at is None

    @pytest.mark.parametrize("action", ["acknowledge", "snooze"])
    @pytest.mark.parametrize(("group", "may_look"), [("Auditor", 200), ("Finance", 403)])
    def test_who_may_not_answer_changes_nothing(self, group: str, may_look: int, action: str) -> None:
        alert, reader = make_alert(), Office(groups=(group,))

        response = reader.post(f"payments_alert_{action}", alert.public_id, hours=1)

        assert response.status_code == 403
        assert reader.get(PAGE, alert.public_id).status_code == may_look
        assert (fresh(alert).acknowledged_at, fresh(alert).snoozed_until) == (None, None)

    def test_an_auditor_is_offered_no_button(self) -> None:
        html = Office(groups=("Auditor",)).page(PAGE, make_alert().public_id)

        assert "Tell nobody for" not in html

    def test_of_another_clients_order_is_not_there(self) -> None:
        office = Office("payments.view_alert", "payments.change_alert")
        alert = services.raise_alert(KIND, "b", "Foreign.", order_id=make_order().pk)

        assert office.post("payments_alert_acknowledge", alert.public_id).status_code == 404

        assert fresh(alert).acknowledged_at is None

    def test_without_the_permission_to_view_notices_they_are_left_out(self, settings: Any) -> None:
        settings.ALERT_EMAILS = ["ops@example.com"]
        alert = make_alert()
        run_round()
        assert AlertNotice.objects.exists()

        html = Office(ALL_CLIENTS, "payments.view_alert").page(PAGE, alert.public_id)

        assert "What was told" not in html

    def test_it_holds_to_the_content_security_policy(self, office: Office) -> None:
        for html in (office.page(PAGE, make_alert().public_id), office.page(LIST)):
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", html)
