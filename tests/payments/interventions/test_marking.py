"""What was undone elsewhere: counted with evidence, booked once, and the rest undone by the saga."""

import pytest

from orders.models import Order, StockItem
from payments.errors import InterventionNotPossibleError
from payments.models import ChargeAttempt, GatewayOutcome, LedgerPosting, Refund, SagaExecution
from payments.sagas.refund import open_refund
from tests.orders.builders import make_order, make_stock
from tests.payments.builders import Api, advance, charge_of, exchange, order_of, run_checkout
from tests.payments.interventions.builders import (
    approve,
    ask_for,
    by_hand,
    everything,
    failed_refund,
    force,
    given_up,
    possible,
    postings,
    silence,
    stopped_refund,
    stopped_unknown,
    suspense,
    tell,
)
from tests.payments.sagas.evidence import effective
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

BANK = "bank transfer 2026-11-24/17"


class TestMoneyFromElsewhere:
    def test_is_booked_against_suspense_and_the_rest_is_undone(self, sandbox: Sandbox) -> None:
        item = make_stock(available=5)
        saga = failed_refund(make_order(item=item, postal_code="99999"))
        before = everything(saga)

        row = ask_for(saga, "mark_compensated", evidence=BANK)
        assert (row.state, row.is_forced, everything(saga)) == ("awaiting_approval", True, before)
        approve(row)
        saga = advance(saga)

        order, charge = order_of(saga), charge_of(saga)
        assert (saga.state, order.status, order.paid_minor) == ("resolved", "payment_failed", 0)
        assert (charge.refunded_minor, charge.refund_pending_minor, Refund.objects.get().status) == (
            25_00, 0, "succeeded",
        )  # fmt: skip
        assert StockItem.objects.get(pk=item.pk).available == 5
        assert postings(charge) == [
            ("capture", "gateway_clearing", "sales", 25_00),
            ("refund", "refunds", "suspense", 25_00),
        ]
        assert LedgerPosting.objects.get(kind="refund").transaction_id == row.public_id
        assert not GatewayOutcome.objects.filter(operation="refund").exists()
        assert "refund" not in effective(sandbox, saga)

    def test_lets_the_order_be_paid_for_anew(self, sandbox: Sandbox) -> None:
        saga = failed_refund()
        force(saga, "mark_compensated", evidence=BANK)
        advance(saga)
        order = order_of(saga)
        Order.objects.filter(pk=order.pk).update(shipping={"country": "US", "postal_code": "10001"})

        assert run_checkout(order_of(saga)).state == "completed"

    def test_freezes_what_the_client_is_told(self, sandbox: Sandbox, api: Api) -> None:
        order = api.order(postal_code="99999")
        first = api.checkout(order, "tok_refund_fails", key="the-same")
        saga = SagaExecution.objects.get(order=order)
        assert first.status_code == 202

        force(saga, "mark_compensated", evidence=BANK)
        advance(saga)

        answers = [api.checkout(order, "tok_refund_fails", key="the-same") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [409, 409]
        assert answers[0].json()["code"] == "shipment_refused"
        assert answers[0].content == answers[1].content

    def test_is_booked_once_however_often_it_is_approved(self, sandbox: Sandbox) -> None:
        saga = failed_refund()
        row = ask_for(saga, "mark_compensated", evidence=BANK)
        approve(row)

        with pytest.raises(InterventionNotPossibleError, match="decided already"):
            approve(row)

        assert len(postings(charge_of(saga))) == 2


class TestTheGatewaysOwnRefund:
    def test_is_booked_as_the_gateways(self, sandbox: Sandbox, refused_for_now: SagaExecution) -> None:
        charge = charge_of(refused_for_now)
        transaction = by_hand(sandbox, charge, "refunds", amount=25_00)

        force(refused_for_now, "mark_compensated", evidence=transaction)
        saga = advance(refused_for_now)

        assert (saga.state, order_of(saga).paid_minor, suspense(charge)) == ("resolved", 0, 0)
        assert postings(charge)[1:] == [("refund", "refunds", "gateway_clearing", 25_00)]
        outcome = GatewayOutcome.objects.get(operation="refund")
        assert (outcome.transaction_id, outcome.source) == (transaction, "look_up")
        assert Refund.objects.get().gateway_reference == transaction

    def test_that_a_webhook_had_told_before_leaves_suspense_empty(
        self, sandbox: Sandbox, refused_for_now: SagaExecution
    ) -> None:
        charge = charge_of(refused_for_now)
        transaction = by_hand(sandbox, charge, "refunds", amount=25_00)
        tell(sandbox, charge, "charge.refunded", transaction)
        assert suspense(charge) == -25_00
        assert order_of(refused_for_now).paid_minor == 25_00

        force(refused_for_now, "mark_compensated", evidence=transaction)
        saga = advance(refused_for_now)

        assert (saga.state, order_of(saga).paid_minor, suspense(charge)) == ("resolved", 0, 0)
        assert GatewayOutcome.objects.filter(operation="refund").count() == 1
        assert Refund.objects.get().gateway_reference == transaction

    def test_that_nobody_names_is_a_fact_all_the_same(self, sandbox: Sandbox, refused_for_now: SagaExecution) -> None:
        charge = charge_of(refused_for_now)
        transaction = by_hand(sandbox, charge, "refunds", amount=25_00)

        force(refused_for_now, "mark_compensated", evidence="a reference mistyped")
        saga = advance(refused_for_now)

        assert GatewayOutcome.objects.get(operation="refund").transaction_id == transaction
        assert (saga.state, order_of(saga).paid_minor, suspense(charge)) == ("resolved", 0, 0)

    def test_made_by_another_saga_is_left_to_that_saga(self, sandbox: Sandbox) -> None:
        charge = charge_of(run_checkout())
        sandbox.fault("status_429", operation="refund")
        stuck = given_up(exchange(open_refund(charge, amount_minor=10_00, cause="stuck", reason="Broken.")))
        sandbox.clear_faults()
        sandbox.fault("drop_after", operation="refund", times=1)
        silence(sandbox)
        charge.refresh_from_db()
        other = exchange(open_refund(charge, amount_minor=15_00, cause="other", reason="Broken too."))
        sandbox.clear_faults()

        force(stuck, "mark_compensated", evidence=BANK)

        assert advance(other).state == "completed"
        assert advance(stuck).state == "resolved"
        assert [row[1:] for row in postings(charge)[1:]] == [
            ("refunds", "suspense", 10_00), ("refunds", "gateway_clearing", 15_00),
        ]  # fmt: skip

    def test_of_another_amount_is_refused(self, sandbox: Sandbox, refused_for_now: SagaExecution) -> None:
        transaction = by_hand(sandbox, charge_of(refused_for_now), "refunds", amount=24_00)
        before = everything(refused_for_now)

        with pytest.raises(InterventionNotPossibleError, match=r"of 24\.00 USD, asked for were 25\.00 USD"):
            ask_for(refused_for_now, "mark_compensated", evidence=transaction)

        assert everything(refused_for_now) == before

    def test_of_another_order_is_refused(self, sandbox: Sandbox, refused_for_now: SagaExecution) -> None:
        other = charge_of(run_checkout())
        transaction = by_hand(sandbox, other, "refunds", amount=25_00)

        with pytest.raises(InterventionNotPossibleError, match="another order"):
            ask_for(refused_for_now, "mark_compensated", evidence=transaction)

    def test_of_another_order_is_refused_where_the_gateway_cannot_be_asked(
        self, sandbox: Sandbox, refused_for_now: SagaExecution
    ) -> None:
        other = run_checkout(make_order(postal_code="99999"))
        transaction = GatewayOutcome.objects.get(charge=charge_of(other), operation="refund").transaction_id
        silence(sandbox)

        with pytest.raises(InterventionNotPossibleError, match="another order"):
            ask_for(refused_for_now, "mark_compensated", evidence=transaction)

    def test_of_the_wrong_kind_is_refused(self, sandbox: Sandbox, refused_for_now: SagaExecution) -> None:
        charge = charge_of(refused_for_now)
        capture = GatewayOutcome.objects.get(charge=charge, operation="capture").transaction_id

        with pytest.raises(InterventionNotPossibleError, match=r"of a capture \(succeeded\), not of a refund"):
            ask_for(refused_for_now, "mark_compensated", evidence=capture)
        with pytest.raises(InterventionNotPossibleError, match="Give that of the refund"):
            ask_for(refused_for_now, "mark_compensated", evidence=charge.gateway_reference)

    def test_counts_once(self, sandbox: Sandbox) -> None:
        charge = charge_of(run_checkout())
        earlier = advance(open_refund(charge, amount_minor=10_00, cause="earlier", reason="Broken."))
        sandbox.fault("status_429", operation="refund")
        charge.refresh_from_db()
        later = given_up(exchange(open_refund(charge, amount_minor=10_00, cause="later", reason="Broken too.")))
        sandbox.clear_faults()
        assert later.state == "needs_attention"

        with pytest.raises(InterventionNotPossibleError, match="counted already"):
            ask_for(later, "mark_compensated", evidence=earlier.refunds.get().gateway_reference)


class TestWhatIsRefused:
    @pytest.mark.parametrize("operation", ["refund"])
    def test_what_is_unknown_is_resolved_first(self, sandbox: Sandbox, operation: str) -> None:
        saga = stopped_unknown(sandbox, operation)

        assert "mark_compensated" not in possible(saga)
        with pytest.raises(InterventionNotPossibleError, match="resolved first"):
            ask_for(saga, "mark_compensated", evidence=BANK)

    def test_what_is_no_undoing(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture")

        assert "mark_compensated" not in possible(saga)

    def test_what_still_goes_on(self, sandbox: Sandbox) -> None:
        assert "mark_compensated" not in possible(run_checkout(payment_method="tok_avs_partial"))

    def test_more_than_is_left(self, sandbox: Sandbox) -> None:
        saga = stopped_refund(sandbox)
        ChargeAttempt.objects.filter(pk=saga.refunds.get().charge_id).update(refunded_minor=20_00)

        with pytest.raises(InterventionNotPossibleError, match="not that much left"):
            ask_for(saga, "mark_compensated", evidence=BANK)


def test_a_refund_of_another_amount_than_asked_is_made_up_for_elsewhere(sandbox: Sandbox) -> None:
    sandbox.fault("wrong_amount", operation="refund", times=1)
    saga = run_checkout(make_order(postal_code="99999"))
    charge = charge_of(saga)
    assert (saga.state, suspense(charge)) == ("needs_attention", -24_99)

    force(saga, "mark_compensated", evidence=BANK)
    saga = advance(saga)

    assert (saga.state, order_of(saga).paid_minor, charge_of(saga).refunded_minor) == ("resolved", 0, 25_00)
    assert suspense(charge) == 1, "the cent that the people gave back, which finance will find at the bank"


def test_a_parcel_that_came_back_by_itself_counts_as_called_back(sandbox: Sandbox) -> None:
    saga = run_checkout()
    order = order_of(saga)
    order.reservations.update(state="held")
    Order.objects.filter(pk=order.pk).update(status="needs_attention")
    failure = {"code": "operation_refused", "detail": "", "retriable": False}
    SagaExecution.objects.filter(pk=saga.pk).update(
        state="failed_compensation", direction="compensating", cursor=6, failure=failure
    )
    saga.refresh_from_db()

    force(saga, "mark_compensated", evidence="goods-in 17")
    saga = advance(saga)

    assert (saga.state, order_of(saga).status, order.shipments.get().status) == (
        "resolved", "payment_failed", "cancelled",
    )  # fmt: skip
    assert effective(sandbox, saga) == ["authorize", "capture", "ship", "refund"]


class TestARefundOnItsOwn:
    def test_that_was_refused_is_booked_as_money_from_elsewhere(self, sandbox: Sandbox) -> None:
        saga = stopped_refund(sandbox)
        charge = saga.refunds.get().charge

        force(saga, "mark_compensated", evidence=BANK)
        saga = advance(saga)

        charge.refresh_from_db()
        assert (saga.state, charge.refunded_minor, saga.refunds.get().status) == ("resolved", 10_00, "succeeded")
        assert (order_of(saga).status, order_of(saga).paid_minor) == ("completed", 15_00)

    def test_answers_its_client_with_the_refund(self, sandbox: Sandbox, api: Api) -> None:
        order = api.order()
        api.checkout(order)
        charge = ChargeAttempt.objects.get(order=order)
        sandbox.fault("wrong_amount", operation="refund", times=1)
        body = {"reason": "Broken.", "amount": 10_00}
        assert api.post(f"charges/{charge.public_id}/refunds", body, key="refund").status_code == 202
        saga = SagaExecution.objects.get(definition="refund")

        force(saga, "mark_compensated", evidence=BANK)
        advance(saga)

        answer = api.post(f"charges/{charge.public_id}/refunds", body, key="refund")
        assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")
