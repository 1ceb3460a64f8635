"""Whole checkouts through Adyen's adapter: what is not answered is told by a signed event, or by nobody."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models.functions import Now

from payments.alerts import watchers
from payments.gateways import registry
from payments.gateways.base import Request
from payments.models import GatewayOutcome, LedgerPosting, SagaExecution, SagaStep, WebhookEvent
from payments.sagas import engine
from payments.webhooks import inbox
from tests.payments.builders import charge_of, end_sending, exchange, order_of, step_of
from tests.payments.gateways.adyen.shop import act_on_all, begin, checkout, deliver, event, go_on, key_of, post
from tests.payments.gateways.conformance.adyen import OnAdyen
from tests.payments.sagas.evidence import overdue
from tests.peers import adyen as stand_in
from tests.peers.proxy import Fault
from tests.peers.receiver import Delivery

pytestmark = pytest.mark.django_db

UNANSWERED = (Fault.DROP_AFTER, Fault.RESET_AFTER, Fault.SERVER_ERROR_AFTER, Fault.GARBAGE_AFTER)


def test_an_order_is_paid_and_shipped_once_adyen_tells_that_it_has_captured(adyen: OnAdyen) -> None:
    saga = checkout()
    charge = charge_of(saga)
    assert (saga.waiting_for, charge.status, charge.card_last4) == ("gateway", "authorized", "1111")

    told = deliver(adyen, "CAPTURE", key_of(saga, "capture_payment"))
    saga = go_on(saga)

    assert (told.status, told.charge) == ("processed", charge)
    assert (saga.state, order_of(saga).status, charge_of(saga).status) == ("completed", "completed", "captured")
    [payment] = adyen.payments_of(order_of(saga).public_id)
    assert (payment["reference"], payment["captured"]) == (charge.gateway_reference, charge.amount_minor)
    assert GatewayOutcome.objects.get(operation="capture").source == "webhook"
    assert LedgerPosting.objects.count() == 1


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("NOFUNDS000000012", "insufficient_funds"),
        ("EXPIRED000000006", "expired_card"),
        ("BLOCKED000000005", "card_declined"),
        (stand_in.REDIRECTED, "authentication_failed"),
    ],
)
def test_a_payment_that_is_refused_or_wants_its_shopper_ends_the_checkout(adyen: OnAdyen, card: str, code: str) -> None:
    saga = checkout(card)

    assert (saga.state, saga.failure["code"], order_of(saga).status) == ("compensated", code, "payment_failed")
    assert charge_of(saga).status == "declined"
    assert adyen.payments_of(order_of(saga).public_id) == []


def test_the_event_of_a_refusal_that_was_answered_changes_nothing(adyen: OnAdyen) -> None:
    saga = checkout("NOFUNDS000000012")

    told = deliver(adyen, "AUTHORISATION", key_of(saga, "authorize_payment"))

    assert told.status == "ignored"
    assert charge_of(saga).decline_code == "insufficient_funds"


@pytest.mark.parametrize("fault", UNANSWERED)
def test_an_authorization_whose_answer_was_lost_is_found_by_its_event_and_never_sent_twice(
    adyen: OnAdyen, fault: Fault
) -> None:
    adyen.proxy.fail(fault, match="POST /v71/payments ")
    saga = exchange(begin())
    assert (saga.waiting_for, charge_of(saga).status) == ("unknown_outcome", "unknown")

    deliver(adyen, "AUTHORISATION", key_of(saga, "authorize_payment"))
    saga = go_on(saga)

    assert (saga.waiting_for, charge_of(saga).status) == ("gateway", "authorized")
    deliver(adyen, "CAPTURE", key_of(saga, "capture_payment"))
    assert go_on(saga).state == "completed"
    assert adyen.calls_under(key_of(saga, "authorize_payment")) == 1
    assert len(adyen.payments_of(order_of(saga).public_id)) == 1
    assert step_of(saga, "authorize_payment").attempts == 1


def test_a_refusal_whose_answer_was_lost_is_found_by_its_event(adyen: OnAdyen) -> None:
    adyen.proxy.fail(Fault.DROP_AFTER, match="POST /v71/payments ")
    saga = exchange(begin("NOFUNDS000000012"))

    deliver(adyen, "AUTHORISATION", key_of(saga, "authorize_payment"))
    saga = go_on(saga)

    assert (saga.state, saga.failure["code"]) == ("compensated", "card_declined")
    # The reason is in the event too, where nobody has signed it.
    assert charge_of(saga).decline_code == "refused"


@pytest.mark.parametrize("fault", UNANSWERED)
def test_a_capture_whose_answer_was_lost_is_found_by_its_event_and_never_sent_twice(
    adyen: OnAdyen, fault: Fault
) -> None:
    adyen.proxy.fail(fault, match="POST /v71/payments/*/captures")
    saga = exchange(begin(), times=2)
    assert saga.waiting_for == "unknown_outcome"

    deliver(adyen, "CAPTURE", key_of(saga, "capture_payment"))
    saga = go_on(saga)

    assert (saga.state, charge_of(saga).status) == ("completed", "captured")
    assert adyen.calls_under(key_of(saga, "capture_payment")) == 1


def test_a_capture_that_fails_is_told_and_the_checkout_is_undone(adyen: OnAdyen) -> None:
    saga = checkout(stand_in.CAPTURE_FAILS)

    deliver(adyen, "CAPTURE", key_of(saga, "capture_payment"))
    saga = go_on(saga)
    assert (saga.state, saga.waiting_for) == ("waiting", "gateway")
    deliver(adyen, "CANCELLATION", key_of(saga, "void_payment"))
    saga = go_on(saga)

    assert (saga.state, saga.failure["code"]) == ("compensated", "card_declined")
    assert charge_of(saga).status == "voided"
    assert [each["is_cancelled"] for each in adyen.payments_of(order_of(saga).public_id)] == [True]


def test_an_authorization_that_adyen_does_not_let_go_is_a_persons(adyen: OnAdyen) -> None:
    saga = checkout(stand_in.NOTHING_WORKS)
    deliver(adyen, "CAPTURE", key_of(saga, "capture_payment"))
    saga = go_on(saga)

    deliver(adyen, "CANCELLATION", key_of(saga, "void_payment"))
    saga = go_on(saga)

    assert (saga.state, order_of(saga).status) == ("failed_compensation", "needs_attention")


def test_a_payment_that_adyen_only_takes_note_of_is_authorized_by_its_event(adyen: OnAdyen) -> None:
    saga = checkout(stand_in.RECEIVED)
    assert (saga.waiting_for, charge_of(saga).status) == ("gateway", "pending")

    deliver(adyen, "AUTHORISATION", key_of(saga, "authorize_payment"))

    assert charge_of(go_on(saga)).status == "authorized"


def test_less_than_was_asked_for_is_a_persons(adyen: OnAdyen) -> None:
    saga = checkout(stand_in.PARTLY)

    assert (saga.state, order_of(saga).status) == ("needs_attention", "needs_attention")
    assert GatewayOutcome.objects.get().amount_minor == charge_of(saga).amount_minor // 2


def test_nothing_is_sent_again_while_adyen_tells_nothing(adyen: OnAdyen) -> None:
    adyen.proxy.fail(Fault.DROP_BEFORE, match="POST /v71/payments ")
    saga = exchange(begin())
    for _ in range(3):
        end_sending(saga)
        saga = exchange(saga)
    assert (saga.waiting_for, charge_of(saga).status) == ("unknown_outcome", "unknown")

    saga = exchange(overdue(saga))

    assert (saga.state, order_of(saga).status) == ("needs_attention", "needs_attention")
    assert adyen.calls_under(key_of(saga, "authorize_payment")) == 0


def test_a_capture_of_which_nothing_is_told_alerts_and_is_a_persons_in_the_end(adyen: OnAdyen) -> None:
    saga = checkout()
    SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() + timedelta(hours=23))
    assert not list(watchers.unknown_outcomes())  # Adyen has just said that it is at it

    saga = exchange(saga)

    assert (saga.waiting_for, step_of(saga, "capture_payment").attempts) == ("gateway", 1)
    assert [finding.subject for finding in watchers.unknown_outcomes()] == [saga.public_id]
    SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() - timedelta(days=2))
    assert exchange(saga).state == "needs_attention"


def test_what_never_left_the_house_is_sent_again(adyen: OnAdyen) -> None:
    adyen.proxy.fail(Fault.RATE_LIMITED, match="POST /v71/payments ")

    saga = checkout()

    assert charge_of(saga).status == "authorized"
    assert len(adyen.payments_of(order_of(saga).public_id)) == 1


def test_whoever_takes_over_from_a_dead_process_finds_what_it_has_sent(adyen: OnAdyen) -> None:
    saga = begin()
    engine.advance(saga.pk, owner="dead", should_stop=lambda: True)
    step = step_of(saga, "authorize_payment")
    SagaStep.objects.filter(pk=step.pk).update(send_before=Now())
    sent_by_the_dead = registry.gateway("adyen").authorize(replace(Request(**step.request), key=step.key))

    saga = exchange(saga)
    assert saga.waiting_for == "unknown_outcome"
    deliver(adyen, "AUTHORISATION", step.key)
    saga = go_on(saga)

    assert charge_of(saga).gateway_reference == sent_by_the_dead.reference
    assert adyen.calls_under(step.key) == 1


@pytest.mark.django_db(transaction=True)
def test_events_that_come_before_the_answers_are_enough(adyen: OnAdyen) -> None:
    def take_in_at_once(delivery: Delivery) -> None:
        try:
            assert post(delivery.body) == 200
            act_on_all()
        finally:
            connections.close_all()

    adyen.receiver.on_delivery = take_in_at_once
    adyen.tell(first=True)
    try:
        saga = go_on(checkout())
    finally:
        adyen.receiver.on_delivery = None
        adyen.tell(first=False)

    assert saga.state == "completed"
    assert sorted(GatewayOutcome.objects.values_list("operation", "source")) == [
        ("authorize", "answer"),
        ("capture", "webhook"),
    ]
    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"processed"}


def test_an_event_that_comes_twice_counts_once(adyen: OnAdyen) -> None:
    saga = checkout()
    body = event(adyen, "CAPTURE", key_of(saga, "capture_payment"))
    assert [post(body), post(body)] == [200, 200]
    act_on_all()
    go_on(saga)

    assert post(body) == 200
    assert not inbox.apply_next()

    assert WebhookEvent.objects.count() == 1
    assert LedgerPosting.objects.filter(kind="capture").count() == 1


def test_an_event_that_was_tampered_with_is_refused_and_kept_nowhere(adyen: OnAdyen) -> None:
    saga = checkout()
    body = event(adyen, "CAPTURE", key_of(saga, "capture_payment"))

    tampered = body.replace(b'"success": "true"', b'"success": "false"')

    assert tampered != body
    assert post(tampered) == 400
    assert not WebhookEvent.objects.exists()
