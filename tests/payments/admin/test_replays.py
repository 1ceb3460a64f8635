"""Failed events in front of a person: seen, replayed after a preview, or set aside."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from payments.admin import replays
from payments.models import LedgerPosting, WebhookEvent
from payments.webhooks.replay import MAY_REPLAY
from tests.api.tables import contents
from tests.office import ALL_CLIENTS, Office
from tests.payments.admin.forms import hidden, read
from tests.payments.builders import charge_of, run_checkout
from tests.payments.webhooks.events import known_capture, late_capture, missed_capture, nonsense
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

LIST, PAGE = replays.LIST, "payments_webhookevent_change"
SEE = "See what a replay would change"


def changed(before: dict[str, Any]) -> set[str]:
    """The tables that are not as they were; reading a page of a session may touch that."""
    return {name for name, content in contents().items() if content != before[name]}


class TestThePage:
    def test_it_says_what_went_wrong_and_leads_to_charge_and_saga(self, operator: Office, sandbox: Sandbox) -> None:
        charge = charge_of(run_checkout())
        event = nonsense(charge=charge)

        html = operator.page(PAGE, event.public_id)

        told = read(html)
        assert "It could not be acted on: what it says could not be read or booked (KeyError)." in told
        assert all(f"/{row}/change/" in html for row in (charge, charge.saga, charge.order))
        assert '"operation": "x"' in told
        assert SEE in told
        assert "Set aside" in told

    def test_what_has_not_failed_is_not_set_aside(self, operator: Office, sandbox: Sandbox) -> None:
        html = operator.page(PAGE, known_capture(sandbox).public_id)

        assert SEE in html
        assert "/set-aside/" not in html

    def test_who_may_not_replay_is_not_offered_it(self, sandbox: Sandbox) -> None:
        html = Office(groups=("Auditor",)).page(PAGE, nonsense().public_id)

        assert "could not be acted on" in html
        assert SEE not in html
        assert "/set-aside/" not in html

    def test_the_list_says_why_each_failed(self, operator: Office) -> None:
        nonsense()

        assert "what it says could not be read or booked (KeyError)" in read(operator.page(LIST))


class TestOne:
    def test_it_is_shown_first_and_done_on_confirmation(self, operator: Office, sandbox: Sandbox) -> None:
        event = missed_capture(sandbox)
        before = contents()

        shown = operator.page(replays.REPLAY, event.public_id)

        assert "capture of 25.00 USD posted: debit gateway clearing, credit sales" in shown
        assert changed(before) == set()
        answer = operator.post(replays.REPLAY, event.public_id, status=hidden(shown, "status"))
        told = read(answer.content.decode())
        assert f"Replayed: event {event} failed -> processed; charge" in told
        assert str(operator.user) in told
        assert LedgerPosting.objects.get().amount_minor == 25_00

    def test_a_second_replay_says_that_nothing_changed(self, operator: Office, sandbox: Sandbox) -> None:
        event = known_capture(sandbox)

        shown = operator.page(replays.REPLAY, event.public_id)
        answer = operator.post(replays.REPLAY, event.public_id, status="processed")

        assert "nothing would change: it is already recorded" in shown
        assert "Replayed: nothing changed." in read(answer.content.decode())

    def test_an_event_that_has_moved_on_since_the_preview_is_left_alone(
        self, operator: Office, sandbox: Sandbox
    ) -> None:
        event = missed_capture(sandbox, status="processed")
        before = contents()

        answer = operator.post(replays.REPLAY, event.public_id, status="failed")

        assert "has acted on the event meanwhile" in answer.content.decode()
        assert changed(before) == set()

    def test_a_form_that_says_nothing_of_what_was_seen_asks_again(self, operator: Office, sandbox: Sandbox) -> None:
        event = missed_capture(sandbox)

        assert operator.post(replays.REPLAY, event.public_id, status="").status_code == 400
        assert not LedgerPosting.objects.exists()

    @pytest.mark.parametrize("page", [replays.REPLAY, replays.SET_ASIDE])
    def test_it_is_nothing_for_those_without_the_permission(self, sandbox: Sandbox, page: str) -> None:
        event = missed_capture(sandbox)
        others = [Office(groups=(name,)) for name in ("Auditor", "Finance", "Fraud analyst")]
        others.append(Office(ALL_CLIENTS, "payments.view_webhookevent", "payments.change_webhookevent"))
        before = contents()

        for office in others:
            assert office.get(page, event.public_id).status_code == 403
            assert office.post(page, event.public_id, status="failed", reason="a").status_code == 403

        assert changed(before) == set()

    def test_another_clients_event_is_not_there(self, sandbox: Sandbox) -> None:
        event = known_capture(sandbox)
        office = Office("payments.view_webhookevent", MAY_REPLAY)

        assert office.get(replays.REPLAY, event.public_id).status_code == 404

    def test_a_form_of_another_site_is_refused(self, operator: Office, sandbox: Sandbox) -> None:
        event = missed_capture(sandbox)
        http = Client(enforce_csrf_checks=True)
        http.force_login(operator.user)

        for page in (replays.REPLAY, replays.SET_ASIDE):
            address = reverse(f"admin:{page}", args=[event.public_id])
            assert http.post(address, {"status": "failed", "reason": "a"}).status_code == 403

        assert WebhookEvent.objects.get().status == "failed"


class TestSetAside:
    def test_it_takes_a_reason_and_the_queue_is_empty(self, operator: Office) -> None:
        event = nonsense()

        refused = operator.post(replays.SET_ASIDE, event.public_id, reason=" ")
        assert (refused.status_code, WebhookEvent.objects.get().status) == (400, "failed")
        html = operator.post(replays.SET_ASIDE, event.public_id, reason="Of a test account.").content.decode()

        assert WebhookEvent.objects.get().status == "ignored"
        assert "Set aside: Of a test account." in read(html)
        assert event.public_id not in operator.page(LIST, status__exact="failed")

    def test_one_that_somebody_has_replayed_meanwhile_is_left_alone(self, operator: Office, sandbox: Sandbox) -> None:
        event = known_capture(sandbox)

        html = operator.post(replays.SET_ASIDE, event.public_id, reason="a").content.decode()

        assert "Only an event that has failed is set aside." in html
        assert WebhookEvent.objects.get().status == "processed"


class TestSeveral:
    def tick(self, office: Office, events: list[WebhookEvent], **form: Any) -> str:
        keys = [str(event.pk) for event in events]
        answer = office.post(LIST, action="replay_ticked", _selected_action=keys, index="0", **form)
        return str(answer.content.decode())

    def test_all_are_shown_counted_and_then_replayed(self, operator: Office, sandbox: Sandbox) -> None:
        events = [missed_capture(sandbox), late_capture(sandbox), known_capture(sandbox), nonsense()]
        before = contents()

        page = self.tick(operator, events)

        assert "4 events: 3 would change something, 1 nothing." in page
        assert "nothing would change: it is already recorded" in page
        assert changed(before) == set()
        told = read(operator.post(replays.SEVERAL, seen=hidden(page, "seen")).content.decode())
        assert "Replayed: 4 events; 3 changed something, 1 nothing." in told
        assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"processed", "received"}

    def test_the_whole_filter_is_taken_up_to_a_bound(self, operator: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replays, "MOST", 2)
        events = [nonsense() for _ in range(3)]
        address = f"{reverse(f'admin:{LIST}')}?status__exact=failed"

        page = operator.send(
            address, action="replay_ticked", _selected_action=[str(events[2].pk)], index="0", select_across="1"
        )

        assert "2 events: 2 would change something, 0 nothing." in page
        assert "These are the oldest 2 of those you have chosen" in page
        assert all(event.public_id in page for event in events[:2])

    def test_what_has_moved_on_is_named_and_left_alone(self, operator: Office, sandbox: Sandbox) -> None:
        known, failed = known_capture(sandbox), nonsense()
        WebhookEvent.objects.filter(pk=failed.pk).update(status="ignored")

        told = read(operator.post(replays.SEVERAL, seen=f"{known}:processed {failed}:failed").content.decode())

        assert "Replayed: 1 event; 0 changed something, 1 nothing." in told
        assert f"Not done: {failed}." in told

    @pytest.mark.parametrize("seen", ["", "evt_1:failed", "nothing", "{event}:no_status", "{event}:failed " * 201])
    def test_what_is_made_up_does_nothing(self, operator: Office, seen: str) -> None:
        event = nonsense()
        before = contents()

        assert operator.post(replays.SEVERAL, seen=seen.format(event=event)).status_code == 200
        assert operator.get(replays.SEVERAL).status_code == 302

        assert changed(before) == set()

    def test_who_may_not_replay_is_refused(self) -> None:
        event, office = nonsense(), Office(groups=("Auditor",))

        assert "replay_ticked" not in office.page(LIST)
        assert office.post(replays.SEVERAL, seen=f"{event}:failed").status_code == 403
        assert WebhookEvent.objects.get().attempts == 12
