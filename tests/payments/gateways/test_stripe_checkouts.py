"""Whole checkouts through Stripe's adapter, at an independent peer: over one call lost, over many, and over none."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from pytest_django import Settings

from orders.models import Order
from payments.models import ChargeAttempt, LedgerPosting, SagaExecution, WebhookEvent
from payments.webhooks import inbox
from tests.orders.builders import make_order, make_stock
from tests.payments.builders import advance, charge_of, end_sending, exchange, make_due, order_of, run_checkout
from tests.payments.builders import begin_checkout as begin
from tests.payments.conftest import forget_adapters
from tests.payments.gateways.conformance.stripe import OnLocalstripe
from tests.peers import programs
from tests.peers.proxy import Fault
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

State = SagaExecution.State
ROUNDS = 40
"""Far more than a checkout needs, however often its calls are lost."""
FAULT_RATE, SEED = 0.05, 20_260_101


@pytest.fixture(scope="module")
def localstripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnLocalstripe]:
    try:
        with OnLocalstripe.running(tmp_path_factory.mktemp("localstripe")) as peer:
            yield peer
    except programs.MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(autouse=True)
def stripe(localstripe: OnLocalstripe, sandbox: Sandbox, settings: Settings) -> Iterator[OnLocalstripe]:
    """The gateway that checkouts take; the carrier is the sandbox's."""
    localstripe.proxy.clear()
    for name, value in localstripe.settings().items():
        setattr(settings, name, value)
    settings.GATEWAYS, settings.DEFAULT_GATEWAY = ["stripe", "sandbox"], "stripe"
    settings.GATEWAY_TIMEOUT_SECONDS, settings.STRIPE_SETTLE_DELAY_SECONDS = 0.5, 0
    forget_adapters()
    yield localstripe
    localstripe.proxy.clear()
    forget_adapters()


def checkout(method: str, order: Order | None = None) -> SagaExecution:
    return run_checkout(order, method, gateway="stripe")


def intents_of(stripe: OnLocalstripe, saga: SagaExecution) -> list[dict[str, Any]]:
    order = order_of(saga).public_id
    return [intent for intent in all_intents(stripe) if intent["metadata"].get("paydesk_order") == order]


def all_intents(stripe: OnLocalstripe) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = stripe._ask("GET", "/v1/payment_intents?limit=100000").json()["data"]
    return listed


def test_an_order_is_paid_and_shipped(stripe: OnLocalstripe) -> None:
    saga = checkout(stripe.good_method())

    charge = charge_of(saga)
    assert (saga.state, order_of(saga).status, charge.status) == ("completed", "completed", "captured")
    assert [(intent["id"], intent["status"]) for intent in intents_of(stripe, saga)] == [
        (charge.gateway_reference, "succeeded")
    ]
    assert {step.name: step.attempts for step in saga.steps.all() if step.key}["authorize_payment"] == 1


def test_the_reference_is_committed_before_any_money_can_move(stripe: OnLocalstripe) -> None:
    saga = exchange(begin(make_order(), stripe.good_method(), gateway="stripe"))

    [intent] = intents_of(stripe, saga)
    assert intent["status"] == "requires_confirmation"
    assert charge_of(saga).gateway_reference == intent["id"]


def test_whoever_takes_over_between_the_two_calls_confirms_the_same_payment(stripe: OnLocalstripe) -> None:
    saga = exchange(begin(make_order(), stripe.good_method(), gateway="stripe"))

    saga = advance(saga)

    assert saga.state == "completed"
    assert len(intents_of(stripe, saga)) == 1


def test_a_payment_that_was_made_and_whose_answer_was_lost_is_left_over_and_never_confirmed(
    stripe: OnLocalstripe,
) -> None:
    stripe.proxy.fail(Fault.DROP_AFTER, match="POST /v1/payment_intents ")

    saga = checkout(stripe.good_method())

    assert saga.state == "completed"
    assert sorted(intent["status"] for intent in intents_of(stripe, saga)) == ["requires_confirmation", "succeeded"]


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.RESET_AFTER, Fault.SERVER_ERROR_AFTER, Fault.GARBAGE_AFTER])
@pytest.mark.parametrize("call", ["confirm", "capture"])
def test_what_was_done_and_not_answered_is_looked_up_and_not_done_again(
    stripe: OnLocalstripe, fault: Fault, call: str
) -> None:
    stripe.proxy.fail(fault, match=f"POST /v1/payment_intents/*/{call}")

    saga = checkout(stripe.good_method())

    assert (saga.state, charge_of(saga).status) == ("completed", "captured")
    assert [intent["status"] for intent in intents_of(stripe, saga)] == ["succeeded"]


def test_a_declined_payment_is_cancelled_there_so_that_nobody_can_confirm_it_again(stripe: OnLocalstripe) -> None:
    saga = checkout(stripe.declined_method())

    assert (saga.state, saga.failure["code"]) == ("compensated", "card_declined")
    assert charge_of(saga).status == "declined"
    assert [intent["status"] for intent in intents_of(stripe, saga)] == ["canceled"]


def test_a_customer_who_authenticates_pays(stripe: OnLocalstripe) -> None:
    saga = checkout(stripe.challenged_method())
    assert (saga.waiting_for, order_of(saga).status) == ("customer_action", "requires_action")

    stripe.answer_challenge(charge_of(saga).gateway_reference, is_passed=True)

    assert advance(saga).state == "completed"
    assert charge_of(saga).status == "captured"


def test_a_customer_who_does_not_authenticate_pays_nothing_and_the_payment_is_cancelled(
    stripe: OnLocalstripe,
) -> None:
    saga = checkout(stripe.challenged_method())

    stripe.answer_challenge(charge_of(saga).gateway_reference, is_passed=False)
    saga = advance(saga)

    assert (saga.state, saga.failure["code"]) == ("compensated", "authentication_failed")
    assert [intent["status"] for intent in intents_of(stripe, saga)] == ["canceled"]


def test_the_peers_own_signed_webhook_is_taken_in_once_and_a_tampered_one_refused(stripe: OnLocalstripe) -> None:
    saga = checkout(stripe.good_method())
    delivery = stripe.capture_webhook(charge_of(saga).gateway_reference)
    headers = {"Stripe-Signature": delivery.headers["Stripe-Signature"]}

    def deliver(body: bytes) -> int:
        return Client().post("/v1/webhooks/stripe", body, "application/json", headers=headers).status_code

    statuses = [deliver(delivery.body), deliver(delivery.body), deliver(delivery.body + b" ")]

    assert statuses == [200, 200, 400]
    assert inbox.apply_next()
    event = WebhookEvent.objects.get()
    assert (event.status, event.charge) == ("processed", charge_of(saga))
    assert LedgerPosting.objects.filter(charge=event.charge, kind="capture").count() == 1


def test_many_checkouts_over_random_faults_end_without_a_person_and_no_order_is_charged_twice(
    stripe: OnLocalstripe, pytestconfig: pytest.Config
) -> None:
    count = pytestconfig.getoption("--rush")
    method = stripe.good_method()
    item = make_stock(available=10 * count)
    before = {intent["id"] for intent in all_intents(stripe)}
    stripe.proxy.random_faults(FAULT_RATE, seed=SEED)

    sagas = [checkout(method, make_order(item=item)) for _ in range(count)]
    for _ in range(ROUNDS):
        _let_time_pass(sagas)
    stripe.proxy.clear()

    states = Counter(SagaExecution.objects.filter(pk__in=[saga.pk for saga in sagas]).values_list("state", flat=True))
    is_over = states[State.COMPLETED] + states[State.COMPENSATED]
    assert is_over >= 0.99 * count, states
    charged = Counter(
        intent["metadata"]["paydesk_order"]
        for intent in all_intents(stripe)
        if intent["id"] not in before and intent["status"] == "succeeded" and not _is_given_back(intent)
    )
    assert max(charged.values()) == 1
    paid = ChargeAttempt.objects.filter(saga__in=sagas, status="captured", refunded_minor=0)
    assert {charge.order.public_id for charge in paid.select_related("order")} == set(charged)


def _let_time_pass(sagas: list[SagaExecution]) -> None:
    """Whatever waits, waits no longer: pauses, leases, and the time in which a request may still be on its way."""
    active = SagaExecution.objects.filter(pk__in=[saga.pk for saga in sagas], state__in=SagaExecution.ACTIVE)
    for saga in active:
        end_sending(saga)
        make_due(saga)
        SagaExecution.objects.filter(pk=saga.pk).update(next_run_at=Now() - timedelta(seconds=1))
        advance(saga)


def _is_given_back(intent: dict[str, Any]) -> bool:
    return bool(intent["latest_charge"]["refunded"])
