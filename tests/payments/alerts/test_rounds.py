"""What people and machines are told of an alert: once, again while it lasts, and that it is over."""

import json
import smtplib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from payments.alerts import kinds, rounds, services
from payments.alerts.watchers import WATCHERS, Watcher
from payments.models import Alert, AlertNotice, SagaExecution
from tests.orders.builders import make_client, make_order
from tests.payments.alerts.builders import (
    KIND,
    Receiver,
    fresh,
    make_alert,
    make_stuck_saga,
    notices,
    pass_time,
    receiving,
    run_round,
)
from tests.payments.alerts.conftest import SECRET


class DeadMailServer(BaseEmailBackend):
    def send_messages(self, messages: Any) -> int:
        raise smtplib.SMTPServerDisconnected("password=hunter2 was not liked")


@pytest.mark.django_db
class TestTelling:
    def test_something_found_is_told_once_by_mail_and_by_webhook(self, receiver: Receiver, mailbox: None) -> None:
        saga = make_stuck_saga()

        run_round()
        run_round()

        alert = Alert.objects.get()
        assert (alert.kind, alert.subject, alert.order_id) == ("failed_compensation", saga.public_id, saga.order_id)
        assert (receiver.events, len(mail.outbox)) == (["alert.opened"], 1)
        assert (alert.notifications, alert.last_error) == (1, "")
        assert notices(alert) == notices(alert, "email") == [("opened", "sent")]

    def test_a_receiver_verifies_the_signature_with_somebody_elses_library(self, receiver: Receiver) -> None:
        alert = make_alert("saga_1")
        run_round()

        headers, body = receiver.posts[0]

        told = Webhook(SECRET).verify(body, headers)
        assert (told["type"], told["data"]["id"]) == ("alert.opened", alert.public_id)
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body.replace(b"opened", b"closed"), headers)

    def test_the_body_is_what_the_documentation_says_and_nothing_personal(
        self, receiver: Receiver, mailbox: None, settings: Settings
    ) -> None:
        settings.PUBLIC_URL = "https://pay.example.com"
        saga = make_stuck_saga(order=make_order(customer_email="ann@example.com", reference="for Ann"))

        run_round()

        alert = Alert.objects.get()
        body = json.loads(receiver.posts[0][1])
        assert body.pop("timestamp")
        assert body["data"].pop("opened_at")
        assert body == {
            "type": "alert.opened",
            "data": {
                "id": alert.public_id,
                "kind": "failed_compensation",
                "subject": saga.public_id,
                "order": saga.order.public_id,
                "summary": f"The checkout of {saga.order.public_id} over 25.00 USD could not be undone: "
                "a person has to.",
                "what_to_do": kinds.FAILED_COMPENSATION.advice,
                "url": f"https://pay.example.com/admin/payments/alert/{alert.public_id}/change/",
            },
        }
        everything = f"{receiver.posts[0]} {mail.outbox[0].subject} {mail.outbox[0].body}"
        assert "ann@" not in everything
        assert "for Ann" not in everything

    def test_a_mail_says_what_it_is_what_to_do_and_where_to_go(self, mailbox: None) -> None:
        make_stuck_saga()

        run_round()

        (message,) = mail.outbox
        alert = Alert.objects.get()
        assert (message.subject, message.to) == (
            "[Paydesk] NEW: Failed compensation", ["ops@example.com", "night@example.com"],
        )  # fmt: skip
        for told in (alert.summary, kinds.FAILED_COMPENSATION.advice, f"/admin/payments/alert/{alert.public_id}/"):
            assert told in message.body

    def test_however_much_is_found_at_once_it_is_one_mail(self, mailbox: None) -> None:
        sagas = [make_stuck_saga() for _ in range(3)]

        run_round()

        (message,) = mail.outbox
        assert message.subject == "[Paydesk] NEW: Failed compensation and 2 more"
        assert all(saga.order.public_id in message.body for saga in sagas)

    def test_it_is_told_again_every_hour_while_it_lasts(
        self, receiver: Receiver, mailbox: None, settings: Settings
    ) -> None:
        make_stuck_saga()
        run_round()
        pass_time(minutes=59)
        run_round()
        assert receiver.events == ["alert.opened"]

        pass_time(minutes=2)
        run_round()

        assert receiver.events == ["alert.opened", "alert.repeated"]
        assert mail.outbox[-1].subject == "[Paydesk] STILL SO: Failed compensation"
        settings.ALERT_REPEAT_MINUTES = 5
        pass_time(minutes=6)
        run_round()
        assert receiver.events[2:] == ["alert.repeated"]

    def test_that_it_is_over_is_told_once(self, receiver: Receiver, mailbox: None) -> None:
        saga = make_stuck_saga()
        run_round()
        SagaExecution.objects.filter(pk=saga.pk).update(state="resolved")
        pass_time(minutes=3)

        run_round()
        pass_time(hours=2)
        run_round()

        assert receiver.events == ["alert.opened", "alert.resolved"]
        assert [message.subject for message in mail.outbox] == [
            "[Paydesk] NEW: Failed compensation", "[Paydesk] OVER: Failed compensation",
        ]  # fmt: skip

    def test_what_was_over_before_anybody_heard_of_it_is_not_told_at_all(self, receiver: Receiver) -> None:
        make_alert("run_1")
        services.clear_alert(KIND, "run_1")

        run_round()

        assert receiver.events == []

    def test_with_nobody_to_tell_alerts_are_kept_and_told_once_there_is_somebody(self, settings: Settings) -> None:
        make_stuck_saga()
        run_round()
        assert (Alert.objects.get().notifications, AlertNotice.objects.count()) == (0, 0)

        settings.ALERT_EMAILS = ["ops@example.com"]
        run_round()

        assert len(mail.outbox) == 1

    def test_no_transaction_is_open_while_anything_is_sent(
        self, mailbox: None, settings: Settings, transactional_db: None
    ) -> None:
        settings.EMAIL_BACKEND = f"{__name__}.{LookingForTransactions.__name__}"
        LookingForTransactions.found.clear()
        make_stuck_saga()

        run_round()

        assert LookingForTransactions.found == [False]


class LookingForTransactions(BaseEmailBackend):
    found: list[bool] = []  # noqa: RUF012

    def send_messages(self, messages: Any) -> int:
        self.found.append(connection.in_atomic_block)
        return len(messages)


@pytest.mark.django_db
class TestSilence:
    def test_what_somebody_has_acknowledged_is_told_no_more_but_that_it_is_over(self, receiver: Receiver) -> None:
        saga = make_stuck_saga()
        run_round()
        services.acknowledge(Alert.objects.get(), by=make_client(), note="I am on it.")

        for _ in range(3):
            pass_time(hours=25)
            run_round()
        assert receiver.events == ["alert.opened"]
        SagaExecution.objects.filter(pk=saga.pk).update(state="resolved")
        pass_time(minutes=3)
        run_round()

        assert receiver.events == ["alert.opened", "alert.resolved"]

    def test_what_is_snoozed_comes_back_when_the_time_is_over(self, receiver: Receiver, settings: Settings) -> None:
        settings.ALERT_REPEAT_MINUTES = 10_000
        make_stuck_saga()
        run_round()
        services.snooze(Alert.objects.get(), by=make_client(), hours=4)
        pass_time(hours=3, minutes=59)
        run_round()
        assert receiver.events == ["alert.opened"]

        pass_time(minutes=2)
        run_round()
        run_round()

        assert receiver.events == ["alert.opened", "alert.repeated"]

    def test_what_did_not_get_through_is_not_sent_once_somebody_knows(self, settings: Settings) -> None:
        with receiving(500) as receiver:
            settings.ALERT_WEBHOOK_URL, settings.ALERT_WEBHOOK_SECRET = receiver.url, SECRET
            make_stuck_saga()
            run_round()
            services.acknowledge(Alert.objects.get(), by=make_client(), note="")
            pass_time(hours=2)
            run_round()

        assert receiver.events == ["alert.opened"]


@pytest.mark.django_db
class TestFailure:
    @pytest.mark.parametrize("status", [301, 400, 410, 500])
    def test_what_does_not_get_through_is_tried_again_with_the_same_id_and_body(
        self, settings: Settings, status: int
    ) -> None:
        with receiving(status, 200) as receiver:
            settings.ALERT_WEBHOOK_URL, settings.ALERT_WEBHOOK_SECRET = receiver.url, SECRET
            alert = make_alert("run_1")
            run_round()
            assert fresh(alert).last_error == f"webhook: answered {status}"
            run_round()
            assert len(receiver.posts) == 1

            pass_time(seconds=31)
            run_round()

        (first, body), (second, same_body) = receiver.posts
        assert (first["webhook-id"], body) == (second["webhook-id"], same_body)
        assert fresh(alert).last_error == ""
        assert notices(alert) == [("opened", "sent")]

    def test_pauses_grow_and_tries_end(self, settings: Settings) -> None:
        with receiving(500) as receiver:
            settings.ALERT_WEBHOOK_URL, settings.ALERT_WEBHOOK_SECRET = receiver.url, SECRET
            alert = make_alert("run_1")
            run_round()
            pass_time(seconds=31)
            run_round()
            pass_time(seconds=31)
            run_round()
            assert len(receiver.posts) == 2
            AlertNotice.objects.update(attempts=11)
            pass_time(hours=1)
            run_round()

        assert notices(alert)[0] == ("opened", "failed")

    def test_a_channel_that_is_away_is_not_sent_a_day_of_repetitions(self, settings: Settings) -> None:
        with receiving(500) as receiver:
            settings.ALERT_WEBHOOK_URL, settings.ALERT_WEBHOOK_SECRET = receiver.url, SECRET
            alert = make_alert("run_1")
            for _ in range(4):
                run_round()
                pass_time(hours=2)

        assert notices(alert) == [("opened", "pending")]

    def test_one_receiver_that_is_away_is_asked_once_a_round_and_mail_goes_out(
        self, mailbox: None, settings: Settings
    ) -> None:
        with receiving(500) as receiver:
            settings.ALERT_WEBHOOK_URL, settings.ALERT_WEBHOOK_SECRET = receiver.url, SECRET
            for number in range(3):
                make_alert(f"run_{number}")
            run_round()

        assert (len(receiver.posts), len(mail.outbox)) == (1, 1)

    def test_a_receiver_that_nobody_reaches_is_told_of_by_its_error_alone(self, settings: Settings) -> None:
        settings.ALERT_WEBHOOK_URL, settings.ALERT_WEBHOOK_SECRET = "http://127.0.0.1:9/hook?token=secret", SECRET
        alert = make_alert("run_1")

        run_round()

        assert fresh(alert).last_error == "webhook: NewConnectionError"

    def test_mail_that_does_not_leave_keeps_no_webhook_back_and_tells_no_secret(
        self, receiver: Receiver, mailbox: None, settings: Settings
    ) -> None:
        settings.EMAIL_BACKEND = f"{__name__}.{DeadMailServer.__name__}"
        alert = make_alert("run_1")

        run_round()

        assert receiver.events == ["alert.opened"]
        assert fresh(alert).last_error == "email: SMTPServerDisconnected"
        assert notices(alert, "email") == [("opened", "pending")]
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        pass_time(seconds=31)
        run_round()
        assert (len(mail.outbox), fresh(alert).last_error, receiver.events) == (1, "", ["alert.opened"])

    def test_a_watcher_that_fails_stops_no_other_and_closes_nothing(self, receiver: Receiver) -> None:
        def broken() -> Any:
            raise RuntimeError("this watcher is broken")

        alert = make_alert("saga_1", kind="needs_attention")
        pass_time(minutes=3)
        make_stuck_saga()
        others = [watcher for watcher in WATCHERS if watcher.kind != kinds.NEEDS_ATTENTION]

        rounds.watch([Watcher(kinds.NEEDS_ATTENTION, broken), *others])

        assert fresh(alert).closed_at is None
        assert receiver.events == ["alert.opened", "alert.opened"]


@pytest.mark.django_db(transaction=True)
def test_of_several_workers_at_once_one_tells(receiver: Receiver, mailbox: None) -> None:
    for _ in range(3):
        make_stuck_saga()
    barrier = Barrier(3)

    def work(_number: int) -> None:
        barrier.wait()
        try:
            for _ in range(3):
                run_round()
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))

    assert receiver.events == ["alert.opened"] * 3
    assert len({headers["webhook-id"] for headers, _body in receiver.posts}) == 3
    told = " ".join(str(message.body) for message in mail.outbox)
    assert [told.count(saga.order.public_id) for saga in SagaExecution.objects.select_related("order")] == [1, 1, 1]
    assert set(Alert.objects.values_list("notifications", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_dies_while_it_sends_leaves_it_to_be_sent_again(receiver: Receiver) -> None:
    alert = make_alert("run_1")
    run_round()
    with transaction.atomic():
        AlertNotice.objects.update(state="pending", sent_at=None)
    pass_time(seconds=31)

    run_round()

    first, second = (headers["webhook-id"] for headers, _body in receiver.posts)
    assert (first, notices(alert)) == (second, [("opened", "sent")])
