"""Authorizations, and strays, that were undone elsewhere."""

from typing import Any

import pytest

from payments.errors import InterventionNotPossibleError
from payments.models import ChargeAttempt, GatewayOutcome, Refund, SagaExecution
from tests.orders.builders import make_order
from tests.payments.builders import advance, charge_of, exchange, order_of, run_checkout
from tests.payments.interventions.builders import (
    ask_for,
    by_hand,
    failed_void,
    force,
    given_up,
    postings,
    silence,
    suspense,
    tell,
    told_of,
)
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

BANK = "bank transfer 2026-11-24/17"


class TestAnAuthorization:
    def test_that_still_stands_is_not_gone(self, sandbox: Sandbox) -> None:
        saga = failed_void()

        with pytest.raises(InterventionNotPossibleError, match="still stands"):
            ask_for(saga, "mark_compensated", evidence="ticket-4711")

    def test_that_is_dead_at_the_gateway_is_voided(self, sandbox: Sandbox) -> None:
        saga = failed_void()
        sandbox.fault("expire_authorizations")

        force(saga, "mark_compensated", evidence="ticket-4711")
        saga = advance(saga)

        assert (saga.state, charge_of(saga).status, order_of(saga).status) == ("resolved", "voided", "payment_failed")
        assert GatewayOutcome.objects.get(operation="void").source == "look_up"

    def test_counts_as_gone_by_peoples_word_where_the_gateway_cannot_be_asked(self, sandbox: Sandbox) -> None:
        saga = failed_void()
        silence(sandbox)

        force(saga, "mark_compensated", evidence="ticket-4711")

        assert charge_of(saga).status == "voided"
        assert GatewayOutcome.objects.get(operation="void").source == "person"

    def test_that_was_captured_and_refunded_by_hand_is_booked_as_both(self, sandbox: Sandbox) -> None:
        saga = failed_void()
        charge = charge_of(saga)
        by_hand(sandbox, charge, "capture")
        transaction = by_hand(sandbox, charge, "refunds", amount=25_00)

        force(saga, "mark_compensated", evidence=transaction)
        saga = advance(saga)

        assert (saga.state, order_of(saga).paid_minor, suspense(charge)) == ("resolved", 0, 0)
        assert [row[:3] for row in postings(charge)] == [
            ("capture", "gateway_clearing", "sales"),
            ("refund", "refunds", "gateway_clearing"),
        ]
        assert (charge_of(saga).status, charge_of(saga).refunded_minor) == ("captured", 25_00)

    def test_that_was_captured_with_another_amount_leaves_suspense_empty_once_it_went_back(
        self, sandbox: Sandbox
    ) -> None:
        sandbox.fault("wrong_amount", operation="capture", times=1)
        saga = run_checkout()
        charge = charge_of(saga)
        assert (saga.state, suspense(charge)) == ("needs_attention", 24_99)
        assert "the 24.99 USD that the gateway has taken" in told_of(saga, "compensate")
        ask_for(saga, "compensate")
        saga = advance(saga)
        assert saga.state == "failed_compensation"
        transaction = by_hand(sandbox, charge, "refunds", amount=24_99)

        force(saga, "mark_compensated", evidence=transaction)
        saga = advance(saga)

        assert (saga.state, suspense(charge), charge_of(saga).status) == ("resolved", 0, "voided")
        assert (order_of(saga).status, order_of(saga).paid_minor) == ("payment_failed", 0)


class TestAStray:
    def stray(self, sandbox: Sandbox, payment_method: str, what: str) -> tuple[ChargeAttempt, SagaExecution]:
        """Captured, or still authorized, behind our back, after our books were closed; its remedy is refused."""
        saga = failed_void() if what == "authorize" else None
        if saga is None:
            abroad = {"country": "DE", "postal_code": "10115"}
            saga = run_checkout(make_order(billing=abroad), payment_method)
        charge = charge_of(saga)
        ChargeAttempt.objects.filter(pk=charge.pk).update(status="voided")
        SagaExecution.objects.filter(pk=saga.pk).update(state="compensated")
        if what == "authorize":
            context: dict[str, Any] = {"charge": str(charge.pk), "gateway": "sandbox", "operation": "authorize",
                       "reference": charge.gateway_reference, "amount": 25_00, "currency": "USD"}  # fmt: skip
            remedy = SagaExecution.objects.create(
                definition="remedy", version=1, business_key="stray", order=saga.order, context=context
            )
        else:
            tell(sandbox, charge, "charge.captured", by_hand(sandbox, charge, "capture"))
            remedy = SagaExecution.objects.get(definition="remedy")
        remedy = advance(remedy)
        assert remedy.state == "needs_attention"
        return charge, remedy

    def test_that_was_given_back_otherwise_stays_in_suspense_for_finance(self, sandbox: Sandbox) -> None:
        charge, remedy = self.stray(sandbox, "tok_refund_fails", "capture")
        assert suspense(charge) == 25_00

        force(remedy, "mark_compensated", evidence=BANK)
        remedy = advance(remedy)

        assert (remedy.state, suspense(charge)) == ("resolved", 25_00)

    def test_that_the_gateway_gave_back_by_hand_leaves_suspense_empty(self, sandbox: Sandbox) -> None:
        sandbox.fault("status_429", operation="refund")
        abroad = {"country": "DE", "postal_code": "10115"}
        saga = run_checkout(make_order(billing=abroad))
        charge = charge_of(saga)
        ChargeAttempt.objects.filter(pk=charge.pk).update(status="voided")
        SagaExecution.objects.filter(pk=saga.pk).update(state="compensated")
        tell(sandbox, charge, "charge.captured", by_hand(sandbox, charge, "capture"))
        remedy = SagaExecution.objects.get(definition="remedy")
        remedy = given_up(exchange(remedy))
        sandbox.clear_faults()

        force(remedy, "mark_compensated", evidence=by_hand(sandbox, charge, "refunds", amount=25_00))
        remedy = advance(remedy)

        assert (remedy.state, suspense(charge)) == ("resolved", 0)

    def test_that_still_stands_is_not_gone(self, sandbox: Sandbox) -> None:
        _, remedy = self.stray(sandbox, "tok_void_fails", "authorize")

        with pytest.raises(InterventionNotPossibleError, match="still stands"):
            ask_for(remedy, "mark_compensated", evidence="ticket-4711")
        sandbox.fault("expire_authorizations")
        force(remedy, "mark_compensated", evidence="ticket-4711")

        assert advance(remedy).state == "resolved"


def test_a_refund_nobody_expects_any_more_is_in_the_ledger(sandbox: Sandbox, refused_for_now: SagaExecution) -> None:
    charge = charge_of(refused_for_now)

    tell(sandbox, charge, "charge.refunded", by_hand(sandbox, charge, "refunds", amount=25_00))

    assert postings(charge)[1:] == [("refund", "suspense", "gateway_clearing", 25_00)]
    assert Refund.objects.get().status == "failed"
