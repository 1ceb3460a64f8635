"""An archived event is acted on again, after it was shown what that would change."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.utils import timezone

from orders.errors import InvalidTransition
from orders.models import Order
from payments.models import ChargeAttempt, GatewayOutcome, LedgerPosting, SagaExecution, WebhookEvent
from payments.webhooks import replay
from tests.api.tables import contents
from tests.config.builders import make_user
from tests.orders.builders import make_order
from tests.payments.builders import charge_of, run_checkout
from tests.payments.webhooks.events import archive, known_capture, late_capture, missed_capture, nonsense
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(db: None) -> User:
    return make_user("operator")


class TestPreview:
    def test_what_is_missing_in_the_books_is_shown_row_by_row(self, sandbox: Sandbox) -> None:
        event = missed_capture(sandbox)
        charge = ChargeAttempt.objects.get()
        before = contents()

        shown = replay.preview(event)

        assert contents() == before
        assert shown.status == "processed"
        assert shown.sentences == [
            f"event {event} failed -> processed",
            f"charge {charge} authorized -> captured, captured 0.00 USD -> 25.00 USD",
            f"order {charge.order} paid 0.00 USD -> 25.00 USD",
            f"capture of 25.00 USD recorded as {shown.changes[3].after['transaction_id']}",
            "capture of 25.00 USD posted: debit gateway clearing, credit sales",
        ]

    def test_what_is_recorded_already_would_change_nothing(self, sandbox: Sandbox) -> None:
        event = known_capture(sandbox)
        before = contents()

        shown = replay.preview(event)

        assert (shown.changes, shown.sentences) == ((), ["nothing would change: it is already recorded"])
        assert contents() == before

    def test_money_that_came_too_late_is_shown_to_go_back(self, sandbox: Sandbox) -> None:
        sentences = replay.preview(late_capture(sandbox)).sentences

        assert "capture of 25.00 USD posted: debit gateway clearing, credit suspense" in sentences
        assert sentences[-1] == "remedy saga begun"
        assert not SagaExecution.objects.filter(definition="remedy").exists()

    def test_a_saga_under_way_is_shown_to_be_woken(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_3ds")
        event = known_capture(sandbox, saga, status="failed", error="OperationalError")

        shown = replay.preview(event)

        assert f"saga {saga} woken: it asks the gateway" in shown.sentences
        assert SagaExecution.objects.get(pk=saga.pk).wake_seq == saga.wake_seq

    def test_what_cannot_be_read_is_shown_to_fail_again(self) -> None:
        event = nonsense()

        [told] = replay.preview(event).sentences

        assert told.startswith(f"event {event} failed -> received, what it says could not be read or booked (")
        assert WebhookEvent.objects.filter(status="failed", attempts=12).exists()

    @pytest.mark.parametrize(
        ("body", "status", "told"),
        [
            ('{"id": "evt_1", "type": "a", "data": {}}', "ignored", "it tells of nothing that is booked"),
            (
                '{"id": "evt_1", "type": "a", "data": {"charge": {"id": "sch_1", "operations": []}, "operation": '
                '{"id": "stx_1", "operation": "capture", "status": "succeeded", "amount": 1, "currency": "USD",'
                ' "idempotency_key": "k", "at": "2026-01-01T00:00:00Z"}}}',
                "waiting_for_object",
                "what it is about is still not known here",
            ),
        ],
    )
    def test_what_concerns_nobody_here_would_change_nothing(self, body: str, status: str, told: str) -> None:
        error = "Nothing here has this reference yet." if status == "waiting_for_object" else ""

        shown = replay.preview(archive(body, status=status, error=error))

        assert (shown.status, shown.sentences) == (status, [f"nothing would change: {told}"])


class TestReplay:
    def test_it_does_what_the_preview_has_shown(self, sandbox: Sandbox, person: User) -> None:
        event = missed_capture(sandbox)
        shown = replay.preview(event)

        done = replay.replay(event, by=person)

        assert done.sentences == shown.sentences
        row = WebhookEvent.objects.get()
        assert (row.status, row.attempts, row.error, row.charge) == ("processed", 1, "", ChargeAttempt.objects.get())
        assert ChargeAttempt.objects.get().captured_minor == Order.objects.get().paid_minor == 25_00
        assert [(row.kind, row.amount_minor) for row in LedgerPosting.objects.all()] == [("capture", 25_00)]

    def test_a_second_replay_changes_nothing_but_the_log(self, sandbox: Sandbox, person: User) -> None:
        replay.replay(missed_capture(sandbox), by=person)
        before = contents()

        for _ in range(2):
            assert replay.replay(WebhookEvent.objects.get(), by=person).changes == ()

        changed = {name for name, content in contents().items() if content != before[name]}
        assert changed == {"admin.LogEntry"}

    def test_money_that_came_too_late_is_given_back_once(self, sandbox: Sandbox, person: User) -> None:
        event = late_capture(sandbox)

        replay.replay(event, by=person)
        event.refresh_from_db()
        replay.replay(event, by=person)

        assert SagaExecution.objects.filter(definition="remedy").count() == 1
        assert [row.credit for row in LedgerPosting.objects.all()] == ["suspense"]

    def test_what_the_gateway_did_unasked_stays_in_front_of_a_person(self, sandbox: Sandbox, person: User) -> None:
        event = missed_capture(sandbox)
        event.body = event.body.replace('"amount": 2500', '"amount": 2400')
        event.save(update_fields=["body"])

        done = replay.replay(event, by=person)
        event.refresh_from_db()

        assert (done.status, event.error) == ("failed", "Asked to capture 25.00 USD, the gateway reports 24.00 USD.")
        assert replay.replay(event, by=person).sentences == ["nothing would change: a person has to decide"]
        assert WebhookEvent.objects.get().status == "failed"

    def test_so_it_does_while_its_saga_is_under_way(self, sandbox: Sandbox, person: User) -> None:
        saga = run_checkout(payment_method="tok_3ds")
        event = known_capture(sandbox, saga, status="failed", processed_at=timezone.now())

        assert replay.replay(event, by=person).sentences == ["nothing would change: a person has to decide"]

        assert SagaExecution.objects.get(pk=saga.pk).wake_seq == saga.wake_seq

    def test_what_still_cannot_be_read_goes_through_all_its_attempts_again(self, person: User) -> None:
        event = nonsense()

        replay.replay(event, by=person)

        event.refresh_from_db()
        assert (event.status, event.attempts) == ("received", 1)

    def test_an_event_that_has_moved_on_since_it_was_looked_at_is_left_alone(
        self, sandbox: Sandbox, person: User
    ) -> None:
        event = missed_capture(sandbox)
        WebhookEvent.objects.update(status="ignored")
        before = contents()

        with pytest.raises(InvalidTransition):
            replay.replay(event, by=person)

        assert contents() == before

    def test_who_did_it_and_what_it_changed_is_kept(self, sandbox: Sandbox, person: User) -> None:
        event = missed_capture(sandbox)

        done = replay.replay(event, by=person)

        [entry] = replay.history(event)
        assert (entry.user, entry.object_repr) == (person, event.public_id)
        assert entry.get_change_message() == f"Replayed: {'; '.join(done.sentences)}."
        replay.replay(WebhookEvent.objects.get(), by=person)
        assert replay.history(event)[0].get_change_message() == "Replayed: nothing changed."

    def test_the_command_line_is_nobodys_name(self, sandbox: Sandbox) -> None:
        replay.replay(missed_capture(sandbox), by=None)

        assert GatewayOutcome.objects.filter(operation="capture").count() == 1
        assert not LogEntry.objects.exists()

    def test_other_orders_are_not_told_of(self, sandbox: Sandbox, person: User) -> None:
        other = run_checkout(make_order())
        done = replay.replay(late_capture(sandbox), by=person)

        names = {change.name for change in done.changes}

        assert names.isdisjoint({str(other), str(charge_of(other)), str(other.order)})


class TestSetAside:
    def test_a_failed_event_leaves_the_queue_with_a_reason(self, person: User) -> None:
        event = nonsense()

        replay.set_aside(event, by=person, reason=" Sent by a test account. ")

        row = WebhookEvent.objects.get()
        assert (row.status, row.error) == ("ignored", "Set aside: Sent by a test account.")
        [entry] = replay.history(event)
        assert entry.get_change_message() == (
            "Set aside: failed -> ignored, because: Sent by a test account. It had failed with: KeyError"
        )

    @pytest.mark.parametrize("status", ["received", "processed", "waiting_for_object", "ignored"])
    def test_only_what_has_failed_is_set_aside(self, person: User, status: str) -> None:
        event = nonsense(status=status)
        before = contents()

        with pytest.raises(InvalidTransition):
            replay.set_aside(event, by=person, reason="a")

        assert contents() == before

    def test_a_card_number_in_the_reason_is_masked(self, person: User) -> None:
        replay.set_aside(nonsense(), by=person, reason="4242424242424242 is his card")

        kept: Any = WebhookEvent.objects.get().error + LogEntry.objects.get().change_message
        assert "4242424242424242" not in kept

    def test_what_was_set_aside_can_be_replayed(self, sandbox: Sandbox, person: User) -> None:
        replay.set_aside(missed_capture(sandbox), by=person, reason="a")

        assert replay.replay(WebhookEvent.objects.get(), by=person).status == "processed"
