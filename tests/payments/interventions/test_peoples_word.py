"""An unknown outcome that no gateway confirms: people state it, two of them."""

from typing import Any

import pytest
from django.db.models.functions import Now

from payments.errors import InterventionNotPossibleError
from payments.gateways.base import Operation, Outcome, Result
from payments.models import ChargeAttempt, GatewayOutcome, LedgerPosting, SagaExecution, SagaStep
from payments.outcomes import record_outcome
from tests.payments.builders import (
    LONG_AGO,
    advance,
    charge_of,
    order_of,
)
from tests.payments.interventions.builders import (
    approve,
    ask_for,
    everything,
    force,
    named,
    possible,
    reference_of,
    step_in_hand,
    stopped_unknown,
    suspense,
    unknown,
)
from tests.payments.sagas.evidence import effective, key_numbers
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def silent(sandbox: Sandbox) -> SagaExecution:
    """A capture of which nobody knows, and a gateway that cannot be asked."""
    return stopped_unknown(sandbox, "capture")


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
