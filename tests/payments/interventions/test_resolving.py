"""Unknown outcomes: the gateway's word under its own reference; people's word where it has none, two of them."""

from typing import Any

import pytest
from django.db.models.functions import Now

from payments.errors import InterventionNotPossibleError
from payments.gateways.base import Operation, Outcome, Result
from payments.models import ChargeAttempt, GatewayOutcome, LedgerPosting, SagaExecution, SagaStep
from payments.outcomes import record_outcome
from payments.sagas.refund import open_refund
from tests.orders.builders import make_order
from tests.payments.builders import (
    LONG_AGO,
    advance,
    begin_checkout,
    charge_of,
    exchange,
    order_of,
    run_checkout,
    step_of,
)
from tests.payments.interventions.builders import (
    approve,
    ask_for,
    by_hand,
    everything,
    force,
    named,
    possible,
    reference_of,
    silence,
    step_in_hand,
    stopped_unknown,
    suspense,
    unknown,
)
from tests.payments.sagas.evidence import effective, key_numbers
from tests.processes import wait_until
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def mislead(sandbox: Sandbox, saga: SagaExecution) -> None:
    """The gateway answers again, but knows nothing under our key."""
    sandbox.clear_faults()
    SagaStep.objects.filter(saga=saga, state="started").update(
        key=f"{saga.public_id}:{step_in_hand(saga).name}:do:9", send_before=Now() - LONG_AGO
    )


@pytest.fixture
def silent(sandbox: Sandbox) -> SagaExecution:
    """A capture of which nobody knows, and a gateway that cannot be asked."""
    return stopped_unknown(sandbox, "capture")


class TestWhatTheGatewayConfirms:
    @pytest.mark.parametrize("operation", ["authorize", "capture"])
    @pytest.mark.parametrize("by", ["transaction", "charge"])
    def test_is_recorded_and_the_checkout_goes_on(self, sandbox: Sandbox, operation: str, by: str) -> None:
        saga = stopped_unknown(sandbox, operation)
        transaction = named(sandbox, saga, operation)
        mislead(sandbox, saga)
        reference = reference_of(sandbox, saga)

        row = ask_for(saga, "resolve_unknown", evidence=transaction if by == "transaction" else reference)
        assert (row.state, row.is_forced, saga.state) == ("applied", False, "running")
        saga = advance(saga)

        assert (saga.state, order_of(saga).status) == ("completed", "completed")
        assert effective(sandbox, saga) == ["authorize", "capture", "ship"]
        outcome = GatewayOutcome.objects.get(charge=charge_of(saga), operation=operation)
        assert (outcome.transaction_id, outcome.source) == (transaction, "look_up")

    def test_by_our_own_key_counts_whatever_reference_is_given(self, sandbox: Sandbox, silent: SagaExecution) -> None:
        sandbox.clear_faults()

        ask_for(silent, "resolve_unknown", evidence="ticket-4711")

        assert charge_of(silent).status == "captured"
        assert advance(silent).state == "completed"

    def test_of_a_parcel_is_recorded(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "ship")
        mislead(sandbox, saga)
        parcel = sandbox.get("/v1/shipments", order=order_of(saga).public_id).json()["shipments"][0]["id"]

        ask_for(saga, "resolve_unknown", evidence=parcel)

        assert order_of(saga).shipments.get().carrier_reference == parcel
        assert advance(saga).state == "completed"

    def test_of_a_refund_is_booked_once(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "refund")
        transaction = named(sandbox, saga, "refund")
        sandbox.clear_faults()

        ask_for(saga, "resolve_unknown", evidence=transaction)
        saga = advance(saga)

        assert (saga.state, order_of(saga).paid_minor) == ("compensated", 0)
        assert effective(sandbox, saga).count("refund") == 1
        assert LedgerPosting.objects.filter(kind="refund").count() == 1

    def test_that_was_refused_turns_the_checkout_back(self, sandbox: Sandbox) -> None:
        sandbox.fault("drop_after", operation="capture", times=1)
        silence(sandbox)
        saga = exchange(begin_checkout(make_order(), "tok_capture_fails"), times=2)
        transaction = named(sandbox, saga, "capture")
        sandbox.clear_faults()

        ask_for(saga, "resolve_unknown", evidence=transaction)
        saga = advance(saga)

        assert (saga.state, saga.failure["code"], charge_of(saga).status) == ("compensated", "card_declined", "voided")

    def test_done_by_hand_is_the_capture_all_the_same(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture", fault="drop_before")
        sandbox.clear_faults()
        transaction = by_hand(sandbox, charge_of(saga), "capture")

        ask_for(saga, "resolve_unknown", evidence=transaction)

        assert advance(saga).state == "completed"
        assert effective(sandbox, saga) == ["authorize", "capture", "ship"]

    def test_while_the_saga_still_asks_for_itself_goes_on_at_once(self, sandbox: Sandbox) -> None:
        saga = unknown(sandbox, "capture")
        transaction = named(sandbox, saga, "capture")
        sandbox.clear_faults()

        ask_for(saga, "resolve_unknown", evidence=transaction)

        assert (charge_of(saga).status, advance(saga).state) == ("captured", "completed")


class TestWhatIsNotOurs:
    def test_another_orders_reference_is_refused(self, sandbox: Sandbox) -> None:
        other = charge_of(run_checkout())
        saga = stopped_unknown(sandbox, "capture")
        mislead(sandbox, saga)
        before = everything(saga)

        for name in (other.gateway_reference, named(sandbox, other.saga, "capture")):
            for result in ("", "succeeded", "did_not_happen"):
                with pytest.raises(InterventionNotPossibleError, match="another order"):
                    ask_for(saga, "resolve_unknown", evidence=name, result=result)

        assert everything(saga) == before

    def test_another_orders_reference_is_refused_where_the_gateway_cannot_be_asked(self, sandbox: Sandbox) -> None:
        other = charge_of(run_checkout())
        saga = stopped_unknown(sandbox, "authorize")

        with pytest.raises(InterventionNotPossibleError, match="another order"):
            ask_for(saga, "resolve_unknown", evidence=other.gateway_reference, result="succeeded")

    def test_another_parcel_is_refused_where_the_carrier_cannot_be_asked(self, sandbox: Sandbox) -> None:
        parcel = order_of(run_checkout()).shipments.get().carrier_reference
        saga = stopped_unknown(sandbox, "ship")

        with pytest.raises(InterventionNotPossibleError, match="another order"):
            ask_for(saga, "resolve_unknown", evidence=parcel, result="succeeded")

    def test_a_second_charge_of_the_same_order_is_refused(self, sandbox: Sandbox, silent: SagaExecution) -> None:
        body = {"order": order_of(silent).public_id, "amount": 25_00, "currency": "USD", "payment_method": "tok_visa"}
        second = sandbox.post("/v1/charges", body, key=f"by-hand-{silent.pk}").json()["charge"]["id"]
        mislead(sandbox, silent)

        with pytest.raises(InterventionNotPossibleError, match="this saga is about"):
            ask_for(silent, "resolve_unknown", evidence=second)

    def test_an_authorization_under_another_key_is_refused(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "authorize", fault="drop_before")
        body = {"order": order_of(saga).public_id, "amount": 25_00, "currency": "USD", "payment_method": "tok_visa"}
        second = sandbox.post("/v1/charges", body, key=f"by-hand-{saga.pk}").json()
        sandbox.clear_faults()

        with pytest.raises(InterventionNotPossibleError, match="another key"):
            ask_for(saga, "resolve_unknown", evidence=second["operation"]["id"])
        with pytest.raises(InterventionNotPossibleError, match="State what happened"):
            ask_for(saga, "resolve_unknown", evidence=second["charge"]["id"])

    def test_another_amount_is_refused(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture", fault="drop_before")
        sandbox.clear_faults()
        transaction = by_hand(sandbox, charge_of(saga), "capture", amount=10_00)

        with pytest.raises(InterventionNotPossibleError, match="of 1000 USD, asked for were 2500 USD"):
            ask_for(saga, "resolve_unknown", evidence=transaction)

    def test_a_dispute_says_nothing_about_the_capture(self, sandbox: Sandbox) -> None:
        sandbox.fault("drop_after", operation="capture", times=1)
        silence(sandbox)
        saga = exchange(begin_checkout(make_order(), "tok_dispute"), times=2)
        mislead(sandbox, saga)
        address = f"/v1/charges/{charge_of(saga).gateway_reference}"
        wait_until(lambda: sandbox.get(address).json()["charge"]["disputed"])

        with pytest.raises(InterventionNotPossibleError, match="Nothing of the kind is known there by this reference"):
            ask_for(saga, "resolve_unknown", evidence=named(sandbox, saga, "dispute"))

    def test_another_operation_is_refused(self, sandbox: Sandbox, silent: SagaExecution) -> None:
        authorization = named(sandbox, silent, "authorize")
        mislead(sandbox, silent)

        with pytest.raises(InterventionNotPossibleError, match="of a authorize, not of a capture"):
            ask_for(silent, "resolve_unknown", evidence=authorization)


class TestPeoplesWord:
    def test_is_not_taken_where_the_gateway_says_otherwise(self, sandbox: Sandbox, silent: SagaExecution) -> None:
        sandbox.clear_faults()
        before = everything(silent)

        with pytest.raises(InterventionNotPossibleError, match="otherwise"):
            ask_for(silent, "resolve_unknown", evidence="ticket-4711", result="did_not_happen")

        assert everything(silent) == before

    def test_is_not_taken_where_the_charge_is_known_and_nothing_was_done_to_it(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture", fault="drop_before")
        sandbox.clear_faults()

        with pytest.raises(InterventionNotPossibleError, match="nothing of the kind"):
            ask_for(saga, "resolve_unknown", evidence=charge_of(saga).gateway_reference, result="succeeded")

    def test_is_not_taken_where_the_gateway_proves_that_nothing_happened(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture", fault="drop_before")
        SagaStep.objects.filter(saga=saga, state="started").update(send_before=Now() - LONG_AGO)
        sandbox.clear_faults()
        before = everything(saga)

        with pytest.raises(InterventionNotPossibleError, match="nothing of the kind"):
            ask_for(saga, "resolve_unknown", evidence="ticket-4711", result="succeeded")

        assert everything(saga) == before

    def test_has_to_be_given_where_nothing_is_confirmed(self, silent: SagaExecution) -> None:
        with pytest.raises(InterventionNotPossibleError, match="No answer was to be had"):
            ask_for(silent, "resolve_unknown", evidence="ticket-4711")

    def test_that_it_did_not_happen_is_not_taken_while_it_may_be_on_its_way(self, sandbox: Sandbox) -> None:
        saga = unknown(sandbox, "capture")

        with pytest.raises(InterventionNotPossibleError, match="on its way"):
            ask_for(saga, "resolve_unknown", evidence="ticket-4711", result="did_not_happen")

    @pytest.mark.parametrize("operation", ["authorize", "capture", "ship"])
    def test_that_it_succeeded_counts_once_a_second_person_agrees(self, sandbox: Sandbox, operation: str) -> None:
        saga = stopped_unknown(sandbox, operation)
        evidence = reference_of(sandbox, saga, "shipment" if operation == "ship" else "charge")
        before = everything(saga)

        row = ask_for(saga, "resolve_unknown", evidence=evidence, result="succeeded")
        assert (row.state, row.is_forced, everything(saga)) == ("awaiting_approval", True, before)
        approve(row)
        sandbox.clear_faults()
        saga = advance(saga)

        assert (saga.state, order_of(saga).status) == ("resolved", "completed")
        assert effective(sandbox, saga) == ["authorize", "capture", "ship"]
        if operation != "ship":
            assert GatewayOutcome.objects.get(operation=operation).source == "person"

    def test_is_not_needed_any_more_where_the_gateway_can_tell_by_then(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture")
        row = ask_for(saga, "resolve_unknown", evidence="ticket-4711", result="succeeded")
        sandbox.clear_faults()

        approve(row)

        assert GatewayOutcome.objects.get(operation="capture").source == "look_up"
        assert advance(saga).state == "completed"

    def test_is_refused_where_the_gateway_says_otherwise_by_then(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture")
        SagaStep.objects.filter(saga=saga, state="started").update(send_before=Now() - LONG_AGO)
        row = ask_for(saga, "resolve_unknown", evidence="ticket-4711", result="did_not_happen")
        sandbox.clear_faults()
        before = everything(saga)

        with pytest.raises(InterventionNotPossibleError, match="otherwise"):
            approve(row)

        row.refresh_from_db()
        assert (row.state, everything(saga)) == ("awaiting_approval", before)

    def test_that_it_did_not_happen_leaves_the_saga_for_the_next_decision(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture", fault="drop_before")
        SagaStep.objects.filter(saga=saga, state="started").update(send_before=Now() - LONG_AGO)
        assert "compensate" not in possible(saga)

        force(saga, "resolve_unknown", evidence="ticket-4711", result="did_not_happen")

        assert saga.state == "needs_attention"
        assert {"retry", "compensate"} <= possible(saga)
        assert key_number(saga) == 1
        sandbox.clear_faults()
        ask_for(saga, "compensate")
        saga = advance(saga)
        assert (saga.state, effective(sandbox, saga)) == ("resolved", ["authorize", "void"])

    def test_that_a_refund_did_not_happen_lets_it_be_tried_again(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "refund", fault="drop_before")
        SagaStep.objects.filter(saga=saga, state="started").update(send_before=Now() - LONG_AGO)
        force(saga, "resolve_unknown", evidence="ticket-4711", result="did_not_happen")
        sandbox.clear_faults()

        ask_for(saga, "retry")
        saga = advance(saga)

        assert (saga.state, key_numbers(sandbox, saga, "refund")) == ("resolved", [0, 1])
        assert (order_of(saga).status, order_of(saga).paid_minor) == ("payment_failed", 0)


@pytest.mark.parametrize("result", ["succeeded", "did_not_happen"])
def test_what_a_webhook_has_told_meanwhile_is_not_stated_by_people(sandbox: Sandbox, result: str) -> None:
    saga = stopped_unknown(sandbox, "capture")
    SagaStep.objects.filter(saga=saga, state="started").update(send_before=Now() - LONG_AGO)
    ChargeAttempt.objects.filter(saga=saga).update(status="captured", captured_minor=25_00)
    before = everything(saga)

    with pytest.raises(InterventionNotPossibleError, match="told it meanwhile"):
        ask_for(saga, "resolve_unknown", evidence="ticket-1", result=result)

    assert everything(saga) == before


def test_a_payment_that_waits_for_its_customer_is_not_over(sandbox: Sandbox) -> None:
    sandbox.fault("drop_after", operation="authorize", times=1)
    silence(sandbox)
    saga = exchange(begin_checkout(make_order(), "tok_3ds"))
    sandbox.clear_faults()

    with pytest.raises(InterventionNotPossibleError, match="not over there: requires action"):
        ask_for(saga, "resolve_unknown", evidence="ticket-1")


def key_number(saga: SagaExecution) -> int:
    return int(step_in_hand(saga).key.rpartition(":")[2])


class TestTheTruthThatComesLater:
    """People said it by the charge's reference; the gateway's own transaction is told afterwards."""

    @pytest.fixture
    def stated(self, sandbox: Sandbox) -> ChargeAttempt:
        saga = stopped_unknown(sandbox, "capture")
        force(saga, "resolve_unknown", evidence=charge_of(saga).gateway_reference, result="succeeded")
        sandbox.clear_faults()
        assert advance(saga).state == "resolved"
        return charge_of(saga)

    def told(self, charge: ChargeAttempt, transaction: str, **facts: Any) -> None:
        outcome = {"amount_minor": 25_00, "currency": "USD", "operation": Operation.CAPTURE, **facts}
        record_outcome(
            charge,
            Outcome(result=Result.SUCCEEDED, transaction_id=transaction, reference=charge.gateway_reference, **outcome),
            source="webhook",
        )

    def test_is_the_same_movement_and_is_not_given_back(self, sandbox: Sandbox, stated: ChargeAttempt) -> None:
        self.told(stated, named(sandbox, stated.saga, "capture"))

        assert not SagaExecution.objects.filter(definition="remedy").exists()
        assert (LedgerPosting.objects.filter(kind="capture").count(), suspense(stated)) == (1, 0)
        assert GatewayOutcome.objects.filter(operation="capture").count() == 2

    def test_is_a_second_movement_when_it_comes_a_second_time(self, sandbox: Sandbox, stated: ChargeAttempt) -> None:
        self.told(stated, named(sandbox, stated.saga, "capture"))

        self.told(stated, "stx_another")

        assert SagaExecution.objects.filter(definition="remedy").exists()
        assert suspense(stated) == 25_00


class TestARefundOnItsOwn:
    def test_that_is_unknown_is_resolved(self, sandbox: Sandbox) -> None:
        charge = charge_of(run_checkout())
        sandbox.fault("drop_after", operation="refund", times=1)
        silence(sandbox)
        saga = exchange(open_refund(charge, amount_minor=10_00, cause="test", reason="Broken."))
        transaction = named(sandbox, saga, "refund")
        mislead(sandbox, saga)

        ask_for(saga, "resolve_unknown", evidence=transaction)
        saga = advance(saga)

        charge.refresh_from_db()
        assert (saga.state, charge.refunded_minor, order_of(saga).paid_minor) == ("completed", 10_00, 15_00)

    def test_is_not_resolved_by_another_refund_of_the_same_amount(self, sandbox: Sandbox) -> None:
        charge = charge_of(run_checkout())
        earlier = advance(open_refund(charge, amount_minor=10_00, cause="earlier", reason="Broken."))
        transaction = named(sandbox, earlier, "refund")
        charge.refresh_from_db()
        sandbox.fault("drop_before", operation="refund", times=1)
        silence(sandbox)
        saga = exchange(open_refund(charge, amount_minor=10_00, cause="later", reason="Broken too."))
        sandbox.clear_faults()

        with pytest.raises(InterventionNotPossibleError, match="another key"):
            ask_for(saga, "resolve_unknown", evidence=transaction)


def test_what_is_known_needs_no_resolving(sandbox: Sandbox) -> None:
    waiting = run_checkout(payment_method="tok_3ds")

    assert "resolve_unknown" not in possible(waiting)


def test_the_answers_are_kept_redacted_in_the_history(sandbox: Sandbox) -> None:
    saga = stopped_unknown(sandbox, "capture")
    sandbox.clear_faults()

    ask_for(saga, "resolve_unknown", evidence=charge_of(saga).gateway_reference)

    after = saga.events.get(kind="unknown_resolved").after
    assert [call["status"] for call in after["calls"]] == [200, 200]
    assert (after["evidence"], after["outcome"]["operation"]) == (charge_of(saga).gateway_reference, "capture")
    assert step_of(saga, "capture_payment").state == "done"
