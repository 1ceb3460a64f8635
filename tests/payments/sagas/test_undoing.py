"""Checkouts that end without a charge: refused, cancelled, and undone at the gateway."""

import pytest
from django.db.models.functions import Now

from fraud.facts import ListName
from fraud.models import ReviewCase
from fraud.services import add_list_entry, close_case
from orders.models import Order, StockItem
from orders.services import Line
from payments.models import LedgerPosting, Refund, SagaExecution
from tests.orders.builders import make_order, make_stock
from tests.payments.builders import (
    advance,
    begin_checkout,
    charge_of,
    exchange,
    order_of,
    run_checkout,
)
from tests.payments.sagas.evidence import assert_nothing_was_taken, effective, journal
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

IN_STOCK = 5


class TestRefusals:
    @pytest.mark.parametrize(
        ("payment_method", "code"),
        [
            ("tok_declined", "card_declined"),
            ("tok_insufficient_funds", "insufficient_funds"),
            ("tok_expired_card", "expired_card"),
        ],
    )
    def test_a_declined_card_ends_the_checkout_and_nothing_is_sent_twice(
        self, sandbox: Sandbox, payment_method: str, code: str
    ) -> None:
        saga = run_checkout(payment_method=payment_method)

        assert (saga.failure["code"], charge_of(saga).status) == (code, "declined")
        assert [entry["operation"] for entry in journal(sandbox, saga)] == ["authorize"]
        assert_nothing_was_taken(sandbox, saga)

    @pytest.mark.parametrize("payment_method", ["tok_avs_mismatch", "tok_cvv_mismatch"])
    def test_what_the_issuer_tells_can_block_and_the_authorization_is_voided(
        self, sandbox: Sandbox, payment_method: str
    ) -> None:
        saga = run_checkout(payment_method=payment_method)

        assert (saga.failure["code"], charge_of(saga).status) == ("fraud_blocked", "voided")
        assert effective(sandbox, saga) == ["authorize", "void"]
        assert_nothing_was_taken(sandbox, saga)

    def test_a_blocklisted_customer_reaches_no_gateway(self, sandbox: Sandbox) -> None:
        add_list_entry("blocked@example.com", list_name=ListName.BLOCK)
        saga = run_checkout(make_order(customer_email="blocked@example.com"))

        assert (saga.failure["code"], journal(sandbox, saga)) == ("fraud_blocked", [])
        assert_nothing_was_taken(sandbox, saga)

    def test_a_refused_capture_voids_the_authorization(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_capture_fails")

        assert (saga.failure["code"], charge_of(saga).status) == ("card_declined", "voided")
        assert effective(sandbox, saga) == ["authorize", "void"]
        assert_nothing_was_taken(sandbox, saga)

    def test_a_refused_shipment_refunds_the_customer(self, sandbox: Sandbox) -> None:
        item = make_stock(available=IN_STOCK)
        saga = run_checkout(make_order(item=item, postal_code="99999"))

        assert (saga.failure["code"], effective(sandbox, saga)) == (
            "shipment_refused", ["authorize", "capture", "refund"],
        )  # fmt: skip
        assert Refund.objects.get(saga=saga).status == "succeeded"
        assert StockItem.objects.get(pk=item.pk).available == IN_STOCK
        kinds = LedgerPosting.objects.filter(charge=charge_of(saga)).order_by("pk").values_list("kind", "debit")
        assert list(kinds) == [("capture", "gateway_clearing"), ("refund", "refunds")]
        assert_nothing_was_taken(sandbox, saga)

    def test_a_refund_that_is_refused_is_for_a_person(self, sandbox: Sandbox) -> None:
        saga = run_checkout(make_order(postal_code="99999"), "tok_refund_fails")

        order, charge = order_of(saga), charge_of(saga)
        assert (saga.state, order.status, order.paid_minor) == (
            "failed_compensation", "needs_attention", order.amount_minor,
        )  # fmt: skip
        assert (charge.refund_pending_minor, Refund.objects.get(saga=saga).status) == (0, "failed")

    def test_a_void_that_is_refused_is_for_a_person(self, sandbox: Sandbox) -> None:
        abroad = {"country": "DE", "postal_code": "10115"}
        saga = run_checkout(make_order(billing=abroad), "tok_void_fails")
        close_case(ReviewCase.objects.get(order_id=saga.order_id), outcome="rejected", by=None, note="No.")

        saga = advance(saga)

        assert (saga.state, order_of(saga).status) == ("failed_compensation", "needs_attention")
        assert charge_of(saga).status == "authorized"

    def test_too_little_stock_leaves_order_and_stock_as_they_were(self, sandbox: Sandbox) -> None:
        plenty, scarce = make_stock("A-PLENTY"), make_stock("B-SCARCE", available=1)
        lines = [Line(plenty.sku, 1, 100), Line(scarce.sku, 2, 100)]
        saga = run_checkout(make_order(lines=lines))

        assert (saga.failure["code"], journal(sandbox, saga)) == ("out_of_stock", [])
        assert_nothing_was_taken(sandbox, saga, "open")
        plenty.refresh_from_db()
        assert plenty.available == 100


class TestRefusalsInSilence:
    """The peer said no, and nobody heard it: the look-up finds the same no."""

    @pytest.mark.parametrize(
        ("operation", "payment_method", "postal_code", "code"),
        [
            ("authorize", "tok_insufficient_funds", "10001", "insufficient_funds"),
            ("capture", "tok_capture_fails", "10001", "card_declined"),
            ("ship", "tok_visa", "99999", "shipment_refused"),
        ],
    )
    def test_is_the_end_of_the_checkout(
        self, sandbox: Sandbox, operation: str, payment_method: str, postal_code: str, code: str
    ) -> None:
        sandbox.fault("drop_after", operation=operation, times=1)

        saga = run_checkout(make_order(postal_code=postal_code), payment_method)

        assert saga.failure["code"] == code
        assert len(journal(sandbox, saga, operation)) == 1
        assert_nothing_was_taken(sandbox, saga)

    def test_of_a_refund_is_for_a_person(self, sandbox: Sandbox) -> None:
        sandbox.fault("drop_after", operation="refund", times=1)

        saga = run_checkout(make_order(postal_code="99999"), "tok_refund_fails")

        assert (saga.state, charge_of(saga).refund_pending_minor) == ("failed_compensation", 0)


class TestUndoing:
    def test_a_refund_in_silence_is_unknown_until_it_is_found_and_given_once(self, sandbox: Sandbox) -> None:
        sandbox.fault("drop_after", operation="refund", times=1)
        sandbox.fault("status_500", operation="look_up")
        saga = exchange(begin_checkout(make_order(postal_code="99999")), times=4)
        charge = charge_of(saga)
        assert (saga.waiting_for, Refund.objects.get(saga=saga).status) == ("unknown_outcome", "unknown")
        assert charge.refund_pending_minor == charge.amount_minor
        sandbox.clear_faults()

        saga = advance(saga)

        assert effective(sandbox, saga).count("refund") == 1
        assert_nothing_was_taken(sandbox, saga)

    def test_an_authorization_that_expired_meanwhile_needs_no_void_any_more(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_avs_partial")
        sandbox.fault("expire_authorizations")
        close_case(ReviewCase.objects.get(order_id=saga.order_id), outcome="rejected", by=None, note="No.")

        saga = advance(saga)

        assert charge_of(saga).status == "voided"
        assert_nothing_was_taken(sandbox, saga)

    def test_a_charge_captured_behind_our_back_cannot_be_voided_and_is_for_a_person(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_avs_partial")
        reference = charge_of(saga).gateway_reference
        assert sandbox.post(f"/v1/charges/{reference}/capture", {}, key=f"elsewhere-{reference}").status == 200
        close_case(ReviewCase.objects.get(order_id=saga.order_id), outcome="rejected", by=None, note="No.")

        saga = advance(saga)

        assert (saga.state, order_of(saga).status) == ("failed_compensation", "needs_attention")

    @pytest.mark.parametrize("fault", ["none", "drop_after", "reset_after"])
    def test_a_parcel_that_left_is_called_back_before_the_money_goes_back(self, sandbox: Sandbox, fault: str) -> None:
        saga = run_checkout()
        self.turn_back_after_shipping(saga)
        if fault != "none":
            sandbox.fault(fault, operation="cancel_shipment", times=1)

        saga = advance(saga)

        assert effective(sandbox, saga) == ["authorize", "capture", "ship", "cancel_shipment", "refund"]
        assert order_of(saga).shipments.get().status == "cancelled"
        assert_nothing_was_taken(sandbox, saga)

    def turn_back_after_shipping(self, saga: SagaExecution) -> None:
        """As if the step after shipping had failed."""
        order = order_of(saga)
        order.reservations.update(state="held")
        Order.objects.filter(pk=order.pk).update(status="processing")
        SagaExecution.objects.filter(pk=saga.pk).update(
            state="compensating",
            direction="compensating",
            cursor=6,
            failure={"code": "operation_refused", "detail": ""},
        )


class TestCancelling:
    def test_a_cancellation_before_the_authorization_reaches_no_gateway(self, sandbox: Sandbox) -> None:
        saga = begin_checkout(make_order())
        Order.objects.filter(pk=saga.order_id).update(cancel_requested_at=Now())

        saga = advance(saga)

        assert journal(sandbox, saga) == []
        assert_nothing_was_taken(sandbox, saga, "cancelled")

    def test_a_cancellation_after_the_authorization_voids_it(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_avs_partial")
        Order.objects.filter(pk=saga.order_id).update(cancel_requested_at=Now())
        close_case(ReviewCase.objects.get(order_id=saga.order_id), outcome="approved", by=None, note="Fine.")

        saga = advance(saga)

        assert effective(sandbox, saga) == ["authorize", "void"]
        assert_nothing_was_taken(sandbox, saga, "cancelled")

    def test_a_cancellation_after_the_capture_refunds_it(self, sandbox: Sandbox) -> None:
        sandbox.fault("drop_after", operation="capture", times=1)
        sandbox.fault("status_500", operation="look_up")
        saga = exchange(begin_checkout(make_order()), times=2)
        assert saga.waiting_for == "unknown_outcome"
        sandbox.clear_faults()
        Order.objects.filter(pk=saga.order_id).update(cancel_requested_at=Now())

        saga = advance(saga)

        assert effective(sandbox, saga) == ["authorize", "capture", "refund"]
        assert_nothing_was_taken(sandbox, saga, "cancelled")
