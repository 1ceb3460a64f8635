"""Unknown outcomes: the gateway's word under its own reference; people's word where it has none, two of them."""

import pytest
from django.db.models.functions import Now

from payments.errors import InterventionNotPossibleError
from payments.models import GatewayOutcome, LedgerPosting, SagaExecution, SagaStep
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
    ask_for,
    by_hand,
    everything,
    named,
    possible,
    reference_of,
    silence,
    step_in_hand,
    stopped_unknown,
    unknown,
)
from tests.payments.sagas.evidence import effective
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

        with pytest.raises(InterventionNotPossibleError, match=r"of 10\.00 USD, asked for were 25\.00 USD"):
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


def test_a_payment_that_waits_for_its_customer_is_not_over(sandbox: Sandbox) -> None:
    sandbox.fault("drop_after", operation="authorize", times=1)
    silence(sandbox)
    saga = exchange(begin_checkout(make_order(), "tok_3ds"))
    sandbox.clear_faults()

    with pytest.raises(InterventionNotPossibleError, match="not over there: requires action"):
        ask_for(saga, "resolve_unknown", evidence="ticket-1")


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
