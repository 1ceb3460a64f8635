"""Money going back through Adyen's adapter."""

import pytest
from django.db import transaction

from payments.models import ChargeAttempt, Refund, SagaExecution
from payments.sagas.refund import open_refund
from tests.payments.builders import charge_of, exchange, order_of
from tests.payments.gateways.adyen.shop import checkout, deliver, go_on, key_of
from tests.payments.gateways.conformance.adyen import OnAdyen
from tests.peers import adyen as stand_in
from tests.peers.proxy import Fault

pytestmark = pytest.mark.django_db


def refund_of(adyen: OnAdyen, card: str = stand_in.GOOD) -> SagaExecution:
    """A refund of 10.00 that Adyen has been asked for, of an order that is paid and shipped."""
    saga = checkout(card)
    deliver(adyen, "CAPTURE", key_of(saga, "capture_payment"))
    charge = charge_of(go_on(saga))
    with transaction.atomic():
        refund = open_refund(charge, amount_minor=10_00, cause=f"test:{charge.pk}", reason="Returned.")
    return exchange(refund)


def test_money_has_gone_back_once_adyen_tells_so(adyen: OnAdyen) -> None:
    saga = refund_of(adyen)
    assert (saga.waiting_for, Refund.objects.get().status) == ("gateway", "pending")

    deliver(adyen, "REFUND", key_of(saga, "refund_payment"))
    saga = go_on(saga)

    assert (saga.state, Refund.objects.get().status, order_of(saga).paid_minor) == ("completed", "succeeded", 15_00)
    [payment] = adyen.payments_of(order_of(saga).public_id)
    assert payment["refunded"] == 10_00


def test_a_refund_whose_answer_was_lost_is_found_by_its_event_and_never_sent_twice(adyen: OnAdyen) -> None:
    adyen.proxy.fail(Fault.RESET_AFTER, match="POST /v71/payments/*/refunds")
    saga = refund_of(adyen)
    assert (saga.waiting_for, Refund.objects.get().status) == ("unknown_outcome", "unknown")

    deliver(adyen, "REFUND", key_of(saga, "refund_payment"))
    saga = go_on(saga)

    assert (saga.state, Refund.objects.get().status) == ("completed", "succeeded")
    assert adyen.calls_under(key_of(saga, "refund_payment")) == 1


def test_a_refund_that_adyen_refuses_leaves_the_money_where_it_is(adyen: OnAdyen) -> None:
    saga = refund_of(adyen, stand_in.REFUND_FAILS)

    deliver(adyen, "REFUND", key_of(saga, "refund_payment"))
    saga = go_on(saga)

    charge = ChargeAttempt.objects.get()
    assert (saga.state, Refund.objects.get().status) == ("needs_attention", "failed")
    assert (charge.refunded_minor, charge.refund_pending_minor) == (0, 0)
