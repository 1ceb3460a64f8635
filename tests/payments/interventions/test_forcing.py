"""Ending a saga by people's word ends it as the engine would have."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from prometheus_client import REGISTRY

from fraud.models import ReviewCase
from orders.models import Order, StockItem
from payments.errors import InterventionNotPossibleError
from payments.models import ChargeAttempt, GatewayCall, Refund, SagaExecution, SagaStep
from tests.orders.builders import make_order, make_stock
from tests.payments.builders import Api, advance, charge_of, order_of, run_checkout
from tests.payments.interventions.builders import (
    ask_for,
    everything,
    failed_refund,
    failed_void,
    force,
    possible,
    stopped_refund,
    stopped_unknown,
)
from tests.payments.sagas.evidence import effective
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

LONG = timedelta(hours=1)


def ended(definition: str = "checkout") -> float:
    labels = {"definition": definition, "state": "resolved"}
    return REGISTRY.get_sample_value("paydesk_sagas_ended_total", labels) or 0


class TestForcedToBeComplete:
    def test_a_paid_order_is_delivered_and_its_stock_gone(self, sandbox: Sandbox) -> None:
        item, count = make_stock(available=5), ended()
        saga = failed_refund(make_order(item=item, postal_code="99999"))

        row = force(saga, "force_complete")

        order = order_of(saga)
        assert (row.state, saga.state, order.status, order.paid_minor) == ("applied", "resolved", "completed", 25_00)
        assert set(order.reservations.values_list("state", flat=True)) == {"consumed"}
        assert StockItem.objects.get(pk=item.pk).available == 3
        assert saga.finished_at is not None
        assert effective(sandbox, saga) == ["authorize", "capture"]
        assert ended() == count + 1

    def test_tells_the_client_that_it_went_well(self, sandbox: Sandbox, api: Api) -> None:
        order = api.order(postal_code="99999")
        api.checkout(order, "tok_refund_fails", key="the-same")

        force(SagaExecution.objects.get(order=order), "force_complete")

        answers = [api.checkout(order, "tok_refund_fails", key="the-same") for _ in range(2)]
        assert [(answer.status_code, answer.json()["order"]["status"]) for answer in answers] == [
            (201, "completed"), (201, "completed"),
        ]  # fmt: skip
        assert answers[0].content == answers[1].content

    @pytest.mark.parametrize("paid", [0, 24_99])
    def test_never_without_the_whole_money(self, sandbox: Sandbox, paid: int) -> None:
        saga = failed_refund()
        Order.objects.filter(pk=saga.order_id).update(paid_minor=paid)
        before = everything(saga)

        with pytest.raises(InterventionNotPossibleError, match="not paid for"):
            ask_for(saga, "force_complete")

        assert everything(saga) == before

    def test_never_before_the_capture(self, sandbox: Sandbox) -> None:
        assert "force_complete" not in possible(failed_void())

    @pytest.mark.parametrize("operation", ["ship", "refund"])
    def test_never_while_a_call_is_in_doubt(self, sandbox: Sandbox, operation: str) -> None:
        saga = stopped_unknown(sandbox, operation)

        with pytest.raises(InterventionNotPossibleError, match="resolved first"):
            ask_for(saga, "force_complete")

    def test_never_after_part_of_the_money_went_back(self, sandbox: Sandbox) -> None:
        sandbox.fault("wrong_amount", operation="refund", times=1)
        saga = run_checkout(make_order(postal_code="99999"))

        with pytest.raises(InterventionNotPossibleError, match="other than asked"):
            ask_for(saga, "force_complete")

    def test_gives_up_a_refund_that_did_not_happen(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "refund", fault="drop_before")
        SagaStep.objects.filter(saga=saga, state="started").update(send_before=Now() - LONG)
        force(saga, "resolve_unknown", evidence="ticket-1", result="did_not_happen")

        force(saga, "force_complete")

        assert (order_of(saga).status, Refund.objects.get().status) == ("completed", "failed")
        assert charge_of(saga).refund_pending_minor == 0

    def test_never_a_refund_or_what_still_goes_on(self, sandbox: Sandbox) -> None:
        assert "force_complete" not in possible(stopped_refund(sandbox))
        assert "force_complete" not in possible(run_checkout(payment_method="tok_avs_partial"))


class TestForcedToFail:
    def dead(self, saga: SagaExecution) -> SagaExecution:
        """Nothing of the order's money is live any more, and yet the saga has stopped."""
        ChargeAttempt.objects.filter(saga=saga).update(status="voided")
        return saga

    def test_an_order_without_money_has_failed_and_its_stock_is_back(self, sandbox: Sandbox) -> None:
        saga, count = self.dead(failed_void()), ended()

        row = force(saga, "force_fail")

        order = order_of(saga)
        assert (row.state, saga.state, order.status) == ("applied", "resolved", "payment_failed")
        assert set(order.reservations.values_list("state", flat=True)) == {"released"}
        assert ended() == count + 1
        Order.objects.filter(pk=order.pk).update(billing=order.shipping)
        assert run_checkout(order_of(saga)).state == "completed"

    def test_an_order_whose_cancellation_was_asked_for_is_cancelled(self, sandbox: Sandbox) -> None:
        saga = self.dead(failed_void())
        Order.objects.filter(pk=saga.order_id).update(cancel_requested_at=Now())

        force(saga, "force_fail")

        assert order_of(saga).status == "cancelled"

    def test_ends_the_review_nobody_is_to_decide_any_more(self, sandbox: Sandbox) -> None:
        saga = self.dead(failed_void())
        ReviewCase.objects.update(state="open", outcome="", closed_at=None, note="")

        force(saga, "force_fail")

        assert ReviewCase.objects.get().state == "closed"

    def test_tells_the_client_why(self, sandbox: Sandbox, api: Api) -> None:
        order = api.order()
        sandbox.fault("drop_before", operation="authorize", times=1)
        sandbox.fault("status_500", operation="look_up")
        api.checkout(order, key="the-same", prefer="respond-async")
        saga = SagaExecution.objects.get(order=order)
        stop_in_doubt(saga)
        force(saga, "resolve_unknown", evidence="ticket-1", result="did_not_happen")
        ChargeAttempt.objects.filter(saga=saga).update(status="failed")

        force(saga, "force_fail")

        answer = api.checkout(order, key="the-same")
        assert (answer.status_code, answer.json()["code"]) == (409, "stopped_by_operator")

    @pytest.mark.parametrize("stop", [failed_refund, failed_void])
    def test_never_while_money_is_held_or_taken(self, sandbox: Sandbox, stop: Any) -> None:
        saga = stop()
        before = everything(saga)

        with pytest.raises(InterventionNotPossibleError, match="still held or taken"):
            ask_for(saga, "force_fail")

        assert everything(saga) == before

    def test_never_while_a_call_is_in_doubt(self, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "authorize")

        with pytest.raises(InterventionNotPossibleError, match="resolved first"):
            ask_for(saga, "force_fail")

    def test_a_refund_that_cannot_be_made_is_given_up(self, sandbox: Sandbox) -> None:
        saga = stopped_refund(sandbox)
        charge = saga.refunds.get().charge

        force(saga, "force_fail")

        charge.refresh_from_db()
        assert (saga.state, saga.refunds.get().status, charge.refund_pending_minor) == ("resolved", "failed", 0)
        assert (order_of(saga).status, order_of(saga).paid_minor) == ("completed", 25_00)

    def test_a_refund_that_was_never_begun_frees_what_was_set_aside(self, sandbox: Sandbox) -> None:
        saga = stopped_refund(sandbox)
        GatewayCall.objects.filter(saga=saga).delete()
        SagaStep.objects.filter(saga=saga).delete()
        Refund.objects.filter(saga=saga).update(status="pending")
        ChargeAttempt.objects.filter(order=saga.order_id).update(refund_pending_minor=10_00)

        force(saga, "force_fail")

        assert ChargeAttempt.objects.get(order=saga.order_id).refund_pending_minor == 0

    def test_a_refund_that_went_through_is_not_given_up(self, sandbox: Sandbox) -> None:
        saga = stopped_refund(sandbox)
        Refund.objects.filter(saga=saga).update(status="succeeded")

        with pytest.raises(InterventionNotPossibleError, match="has gone back"):
            ask_for(saga, "force_fail")

    def test_a_stray_is_never_given_up(self, sandbox: Sandbox) -> None:
        saga = failed_void()
        context = {"charge": str(charge_of(saga).pk), "gateway": "sandbox", "operation": "authorize",
                   "reference": "x", "amount": 1, "currency": "USD"}  # fmt: skip
        SagaExecution.objects.filter(pk=saga.pk).update(
            definition="remedy", context=context, cursor=0, direction="forward", state="needs_attention"
        )

        assert not {"force_fail", "force_complete", "compensate", "skip"} & possible(saga)


def stop_in_doubt(saga: SagaExecution) -> None:
    """A day goes by in which nobody can say what became of the call in hand."""
    saga = advance(saga)
    SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() - LONG)
    SagaStep.objects.filter(saga=saga, state="started").update(send_before=Now() - LONG)
    assert advance(saga).state == "needs_attention"
