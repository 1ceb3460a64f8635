from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from orders.ids import new_id
from payments import captures
from payments.alerts import watchers
from payments.alerts.watchers import Finding
from payments.models import CaptureStop, ChargeAttempt, SagaExecution, WebhookEvent
from tests.orders.builders import make_order
from tests.payments.alerts.builders import make_stuck_saga
from tests.payments.builders import begin_checkout, exchange, run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def subjects(found: Any) -> set[str]:
    return {finding.subject for finding in found}


def make_authorized(saga: SagaExecution, *, left: timedelta, **fields: Any) -> ChargeAttempt:
    return ChargeAttempt.objects.create(
        order=saga.order, saga=saga, gateway="sandbox", amount_minor=25_00, authorized_minor=25_00, currency="USD",
        **{"status": "authorized", "authorization_expires_at": timezone.now() + left, **fields},
    )  # fmt: skip


def test_sagas_that_wait_for_a_person_are_found_by_their_state() -> None:
    failed, stopped = make_stuck_saga(), make_stuck_saga("needs_attention")
    for state in ("running", "completed", "compensated", "resolved"):
        make_stuck_saga(state)

    assert subjects(watchers.failed_compensations()) == {failed.public_id}
    assert subjects(watchers.stopped_sagas()) == {stopped.public_id}


def test_a_finding_names_the_order_and_its_amount_and_nobodys_address() -> None:
    saga = make_stuck_saga(order=make_order(customer_email="ann@example.com", reference="for Ann"))

    (finding,) = watchers.failed_compensations()

    told = f"The checkout of {saga.order.public_id} over 25.00 USD could not be undone: a person has to."
    assert finding == Finding(saga.public_id, told, saga.order_id)


def test_of_more_than_two_hundred_the_oldest_are_named() -> None:
    order = make_order()
    rows = [
        SagaExecution(
            definition="checkout", version=1, business_key=f"{new_id()}", order=order, state="needs_attention"
        )
        for _ in range(watchers.MOST + 1)
    ]
    SagaExecution.objects.bulk_create(rows)

    found = list(watchers.stopped_sagas())

    assert [finding.subject for finding in found] == [saga.public_id for saga in rows[: watchers.MOST]]


def make_late_saga(*, due_in: timedelta = -HOUR, leased_for: timedelta | None = None, **fields: Any) -> None:
    """An hour late, unless said otherwise."""
    now = timezone.now()
    lease = {"lease_until": now + leased_for} if leased_for else {}
    make_stuck_saga(**{"state": "pending", "next_run_at": now + due_in, **lease, **fields})


class TestUnknownOutcomes:
    def unknown(self, sandbox: Sandbox) -> SagaExecution:
        sandbox.fault("status_500", operation="look_up")
        saga = exchange(begin_checkout(make_order(), "tok_timeout_after"))
        assert saga.waiting_for == "unknown_outcome"
        return saga

    def test_is_found_once_it_has_lasted_too_long(self, sandbox: Sandbox, settings: Settings) -> None:
        saga = self.unknown(sandbox)
        assert not subjects(watchers.unknown_outcomes())

        SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() + DAY - 16 * MINUTE)

        assert subjects(watchers.unknown_outcomes()) == {saga.public_id}
        settings.ALERT_UNKNOWN_MINUTES = 20
        assert not subjects(watchers.unknown_outcomes())

    def test_is_found_while_a_worker_has_it_in_hand(self, sandbox: Sandbox) -> None:
        saga = self.unknown(sandbox)
        SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() + HOUR, state="running")

        assert subjects(watchers.unknown_outcomes()) == {saga.public_id}

    def test_is_no_concern_of_his_who_waits_for_something_else(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_3ds")
        SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now())

        assert not subjects(watchers.unknown_outcomes())


class TestVersions:
    def test_one_that_no_worker_here_has_is_found_with_how_many_wait(self) -> None:
        for _ in range(2):
            make_stuck_saga("pending", version=9, next_run_at=timezone.now() - HOUR)
        make_stuck_saga("pending", definition="unheard_of", next_run_at=timezone.now() - HOUR)
        make_stuck_saga("pending", next_run_at=timezone.now() - HOUR)

        found = {finding.subject: finding.summary for finding in watchers.unclaimable_versions()}

        assert set(found) == {"checkout:9", "unheard_of:1"}
        assert "2 due since" in found["checkout:9"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"due_in": HOUR},
            {"due_in": -MINUTE},
            {"is_paused": True},
            {"state": "completed"},
        ],
    )
    def test_one_that_is_not_late_is_left_to_the_workers_of_another_build(self, fields: dict[str, Any]) -> None:
        make_late_saga(**{"version": 9, **fields})

        assert not subjects(watchers.unclaimable_versions())


class TestBacklog:
    def test_is_found_by_the_saga_that_has_been_due_longest(self, settings: Settings) -> None:
        make_stuck_saga("pending", next_run_at=timezone.now() - 3 * MINUTE)

        assert subjects(watchers.old_backlog()) == {""}
        settings.ALERT_BACKLOG_SECONDS = 600
        assert not subjects(watchers.old_backlog())

    @pytest.mark.parametrize(
        "fields",
        [
            {"due_in": -MINUTE},
            {"is_paused": True},
            {"state": "needs_attention"},
            {"version": 9},
            {"leased_for": HOUR},
        ],
    )
    def test_is_only_what_a_worker_could_have_taken(self, fields: dict[str, Any]) -> None:
        make_late_saga(**fields)

        assert not subjects(watchers.old_backlog())


class TestAuthorizations:
    @pytest.mark.parametrize(
        "fields",
        [{"state": "needs_attention"}, {"state": "failed_compensation"}, {"state": "waiting", "is_paused": True}],
    )
    def test_that_nobody_will_void_by_himself_are_found_a_day_before(self, fields: dict[str, Any]) -> None:
        soon = make_authorized(make_stuck_saga(**fields), left=23 * HOUR)
        past = make_authorized(make_stuck_saga(**fields), left=-HOUR)
        make_authorized(make_stuck_saga(**fields), left=25 * HOUR)

        found = list(watchers.expiring_authorizations())

        assert subjects(found) == {soon.public_id, past.public_id}
        assert "The authorization of 25.00 USD expires at" in found[0].summary

    def test_of_sagas_that_see_to_it_and_charges_that_hold_nothing_are_not(self) -> None:
        make_authorized(make_stuck_saga("waiting"), left=HOUR)
        make_authorized(make_stuck_saga(), left=HOUR, status="voided")

        assert not subjects(watchers.expiring_authorizations())


def test_captures_are_missed_after_an_hour() -> None:
    captures.stop_captures(by="ann", reason="Why.")
    assert not subjects(watchers.stopped_captures())

    CaptureStop.objects.update(stopped_at=Now() - HOUR - MINUTE)

    assert subjects(watchers.stopped_captures()) == {""}
    captures.resume_captures(by="ann", reason="Why.")
    assert not subjects(watchers.stopped_captures())


def test_a_webhook_that_could_not_be_acted_on_is_found_with_its_order(sandbox: Sandbox) -> None:
    charge = ChargeAttempt.objects.get(saga=run_checkout())
    event = {"gateway": "sandbox", "kind": "k", "body": "{}", "status": "failed"}
    known = WebhookEvent.objects.create(event_id="evt-1", charge=charge, **event)
    unknown = WebhookEvent.objects.create(event_id="evt-2", **event)

    found = {finding.subject: finding.order_id for finding in watchers.failed_webhooks()}

    assert found == {known.public_id: charge.order_id, unknown.public_id: None}


def test_each_watcher_is_one_query(django_assert_num_queries: Any) -> None:
    for watcher in watchers.WATCHERS:
        with django_assert_num_queries(1):
            list(watcher.look())
