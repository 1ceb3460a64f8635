import json
from typing import Any

import pytest
from django.db import connection

from payments.models import LedgerPosting, SagaExecution, WebhookEvent
from payments.webhooks import inbox
from tests.payments.builders import charge_of, run_checkout
from tests.payments.webhooks.deliveries import SECRET, deliver
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def secrets(sandbox: Sandbox, settings: Any) -> None:
    settings.SANDBOX_WEBHOOK_SECRETS = ["whsec_older", SECRET]


def event_of(sandbox: Sandbox, saga: SagaExecution, kind: str, event_id: str = "evt_1", **charge: Any) -> bytes:
    """The event the sandbox would send about the latest operation on the saga's charge."""
    reference = charge_of(saga).gateway_reference
    facts = sandbox.get(f"/v1/charges/{reference}").json()["charge"] | charge
    return json.dumps(
        {"id": event_id, "type": kind, "data": {"charge": facts, "operation": facts["operations"][-1]}}
    ).encode()


class TestIntake:
    def test_a_signed_event_is_kept_and_answered_at_once(self) -> None:
        body = b'{"id": "evt_1", "type": "charge.captured", "data": {}}'

        answer = deliver(body)

        assert (answer.status_code, answer.json()) == (200, {"received": True})
        event = WebhookEvent.objects.get()
        assert (event.event_id, event.kind, event.status, event.body) == (
            "evt_1", "charge.captured", "received", body.decode(),
        )  # fmt: skip

    def test_an_event_delivered_twice_is_kept_once(self) -> None:
        body = b'{"id": "evt_1", "type": "charge.captured"}'

        assert [deliver(body).status_code, deliver(body).status_code] == [200, 200]

        assert WebhookEvent.objects.count() == 1

    @pytest.mark.parametrize(
        ("delivery", "code"),
        [
            ({"secret": "whsec_wrong"}, "webhook_signature_invalid"),
            ({"header": "t=1"}, "webhook_signature_invalid"),
            ({"header": "nonsense"}, "webhook_signature_invalid"),
            ({"header": "t=é,v1=00"}, "webhook_signature_invalid"),
            ({"age": 400}, "webhook_replayed"),
            ({"age": -400}, "webhook_replayed"),
        ],
    )
    def test_what_was_not_signed_just_now_is_refused_and_kept_nowhere(self, delivery: Any, code: str) -> None:
        answer = deliver(b'{"id": "evt_1", "type": "charge.captured"}', **delivery)

        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert not WebhookEvent.objects.exists()

    @pytest.mark.parametrize(
        "sent",
        [
            b'{"id": "evt_1", "type": "b"}',
            b'{"id": "evt_1", "type": "a"',
            b'{"id":"evt_1","type":"a"}',
            b'{"type": "a", "id": "evt_1"}',
            b'{"id": "evt_1", "type": "a"}\n',
            b'\xef\xbb\xbf{"id": "evt_1", "type": "a"}',
        ],
        ids=["changed", "truncated", "re-serialized", "reordered", "longer", "with a byte order mark"],
    )
    def test_a_body_that_is_not_to_the_byte_what_was_signed_is_refused(self, sent: bytes) -> None:
        assert deliver(b'{"id": "evt_1", "type": "a"}', sent=sent).status_code == 400

        assert not WebhookEvent.objects.exists()

    def test_a_delivery_of_more_than_a_mebibyte_is_refused_unread(self) -> None:
        body = b'{"id": "evt_1", "type": "a", "note": "%s"}'

        assert deliver(body % (b"x" * (1024 * 1024 - len(body) + 2))).status_code == 200
        assert deliver(body.replace(b"evt_1", b"evt_2") % (b"x" * 1024 * 1024)).status_code == 413

        assert WebhookEvent.objects.count() == 1

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"{}",
            b"\xff",
            '{"id": "évt", "type": 1}'.encode("utf-16"),
            b"[" * 100_000,
            b'{"id": "", "type": "a"}',
            b'{"id": "a\\u0000", "type": "a"}',
            b'{"id": "\\ud800", "type": "a"}',
            b'{"id": "%s", "type": "a"}' % (b"x" * 256),
            b'{"id": "evt_1", "type": "%s"}' % (b"x" * 101),
        ],
        ids=lambda body: repr(body[:30]),
    )
    def test_what_is_no_event_is_refused_whoever_signed_it(self, body: bytes) -> None:
        assert deliver(body).status_code == 400

        assert not WebhookEvent.objects.exists()

    def test_a_gateway_nobody_configured_is_not_found(self) -> None:
        assert deliver(b'{"id": "evt_1", "type": "a"}', gateway="nobody").status_code == 404

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.skipif(
        connection.vendor != "postgresql",
        reason="SQLite is a file that this process has open: there is no connection that anybody could cut",
    )
    def test_a_connection_that_was_cut_meanwhile_costs_no_event(self) -> None:
        connection.ensure_connection()
        connection.connection.close()

        assert deliver(b'{"id": "evt_1", "type": "a"}').status_code == 200

        assert WebhookEvent.objects.count() == 1

    def test_a_card_number_in_an_event_is_not_kept(self) -> None:
        deliver(b'{"id": "evt_1", "type": "a", "note": "4242424242424242"}')

        assert "4242424242424242" not in WebhookEvent.objects.get().body

    def test_what_an_event_tells_is_read_before_its_copy_is_masked(self, sandbox: Sandbox) -> None:
        """A gateway's name of a movement may look like a card number: then the archive no longer has it."""
        charge = {"id": "sch_1", "card": {}, "status": "captured"}
        operation = {"id": "stx_4242424242424242", "operation": "refund", "status": "succeeded", "amount": 1}
        deliver(json.dumps({"id": "e", "type": "a", "data": {"charge": charge, "operation": operation}}).encode())

        event = WebhookEvent.objects.get()

        assert "4242424242424242" not in event.body
        assert event.report is not None
        assert event.report["outcome"]["transaction_id"] == "stx_4242424242424242"

    @pytest.mark.parametrize("name", ["a\\u0000", "\\ud800"])
    def test_what_cannot_be_kept_as_read_is_read_again_later(self, name: str) -> None:
        body = (
            '{"id": "e", "type": "a", "data": {"charge": {"id": "NAME"}, "operation":'
            ' {"id": "a", "operation": "void", "status": "succeeded"}}}'
        )
        assert deliver(body.replace("NAME", name).encode()).status_code == 200

        assert WebhookEvent.objects.get().report is None


class TestActing:
    def test_an_event_about_a_parked_saga_wakes_it(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_3ds")
        deliver(event_of(sandbox, saga, "charge.authentication_succeeded"))

        assert inbox.apply_next()

        woken = SagaExecution.objects.get(pk=saga.pk)
        assert woken.wake_seq == saga.wake_seq + 1
        assert SagaExecution.objects.due([("checkout", 1)]).get() == woken
        assert WebhookEvent.objects.get().status == "processed"
        assert not inbox.apply_next()

    def test_an_event_that_says_what_is_known_changes_nothing(self, sandbox: Sandbox) -> None:
        saga = run_checkout()
        deliver(event_of(sandbox, saga, "charge.captured"))

        assert inbox.apply_next()

        assert WebhookEvent.objects.get().status == "processed"
        assert LedgerPosting.objects.count() == 1
        assert not SagaExecution.objects.filter(definition="remedy").exists()

    def test_an_event_about_an_unknown_object_waits_for_it(self, sandbox: Sandbox) -> None:
        body = json.loads(event_of(sandbox, run_checkout(), "charge.captured", id="sch_unheard_of"))
        body["data"]["operation"]["idempotency_key"] = "a key of somebody else's"

        deliver(json.dumps(body).encode())
        assert inbox.apply_next()

        event = WebhookEvent.objects.get()
        assert (event.status, event.attempts) == ("waiting_for_object", 1)
        assert not inbox.apply_next()

    def test_an_event_that_cannot_be_applied_ends_in_front_of_a_person(self) -> None:
        deliver(b'{"id": "evt_1", "type": "a", "data": {"charge": {"id": 1}, "operation": {"operation": "x"}}}')

        for _ in range(inbox.MAX_ATTEMPTS):
            WebhookEvent.objects.update(next_attempt_at="2020-01-01T00:00Z")
            assert inbox.apply_next()

        event = WebhookEvent.objects.get()
        assert (event.status, event.attempts) == ("failed", inbox.MAX_ATTEMPTS)
        assert not inbox.apply_next()

    def test_an_event_without_an_outcome_is_ignored(self) -> None:
        deliver(b'{"id": "evt_1", "type": "account.updated", "data": {}}')

        assert inbox.apply_next()

        assert WebhookEvent.objects.get().status == "ignored"

    def test_money_taken_after_the_charge_was_over_is_given_back(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_capture_fails")
        assert charge_of(saga).status == "voided"
        body = json.loads(event_of(sandbox, saga, "charge.captured"))
        amount = charge_of(saga).amount_minor
        body["data"]["operation"] |= {"id": "stx_late", "operation": "capture", "amount": amount, "status": "succeeded"}

        deliver(json.dumps(body).encode())
        assert inbox.apply_next()

        assert SagaExecution.objects.get(definition="remedy").context["operation"] == "capture"
        assert LedgerPosting.objects.get().credit == "suspense"
