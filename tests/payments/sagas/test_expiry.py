"""An authorization that is about to expire is used, or given up, and never just left."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from fraud.models import ReviewCase
from fraud.services import close_case
from orders.models import Order, StockItem
from payments import captures
from payments.models import ChargeAttempt, LedgerPosting, Refund, SagaExecution
from tests.orders.builders import make_order, make_stock
from tests.payments.builders import advance, begin_checkout, charge_of, exchange, order_of, run_checkout
from tests.payments.sagas.evidence import assert_nothing_was_taken, effective, journal, overdue
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

IN_STOCK = 5


@pytest.fixture
def capture_policy(settings: Any) -> None:
    settings.AUTHORIZATION_EXPIRY_POLICY = "capture"


def case_of(saga: SagaExecution) -> ReviewCase:
    return ReviewCase.objects.get(order_id=saga.order_id)


def in_review(**fields: Any) -> SagaExecution:
    saga = run_checkout(make_order(**fields), "tok_avs_partial")
    assert (saga.state, saga.waiting_for) == ("waiting", "review")
    return saga


def judge(saga: SagaExecution, outcome: str) -> SagaExecution:
    close_case(case_of(saga), outcome=outcome, by=None, note="Seen.")
    saga.wake()
    return advance(saga)


def let_authorization_age(saga: SagaExecution, *, left: timedelta) -> None:
    """What time would do."""
    ChargeAttempt.objects.filter(saga=saga).update(authorization_expires_at=Now() + left)


@pytest.mark.usefixtures("capture_policy")
class TestCapturedAtTheDeadlineOfAReview:
    def captured(self, **fields: Any) -> SagaExecution:
        saga = advance(overdue(in_review(**fields)))
        assert (saga.state, saga.waiting_for) == ("waiting", "review")
        return saga

    def test_the_money_is_taken_and_the_parcel_waits_for_the_verdict(self, sandbox: Sandbox) -> None:
        saga = self.captured()

        order = order_of(saga)
        assert effective(sandbox, saga) == ["authorize", "capture"]
        assert (charge_of(saga).status, order.status, order.is_paid) == ("captured", "in_review", True)
        assert case_of(saga).state == "open"

    def test_who_decides_has_six_days_more(self, sandbox: Sandbox) -> None:
        saga = self.captured()

        due_at = case_of(saga).due_at
        assert due_at is not None
        assert saga.deadline_at is not None
        assert abs(saga.deadline_at - due_at) < timedelta(seconds=1)
        assert timedelta(days=5, hours=23) < due_at - saga.created_at < timedelta(days=6, minutes=1)

    def test_nobody_ships_before_the_verdict_however_often_it_is_looked_at(self, sandbox: Sandbox) -> None:
        saga = advance(advance(self.captured()))

        assert (saga.waiting_for, effective(sandbox, saga)) == ("review", ["authorize", "capture"])

    def test_an_approval_ships(self, sandbox: Sandbox) -> None:
        saga = judge(self.captured(), "approved")

        assert (saga.state, order_of(saga).status) == ("completed", "completed")
        assert effective(sandbox, saga) == ["authorize", "capture", "ship"]

    def test_a_rejection_refunds(self, sandbox: Sandbox) -> None:
        item = make_stock(available=IN_STOCK)
        saga = judge(self.captured(item=item), "rejected")

        assert (saga.failure["code"], effective(sandbox, saga)) == ("fraud_blocked", ["authorize", "capture", "refund"])
        assert StockItem.objects.get(pk=item.pk).available == IN_STOCK
        assert list(LedgerPosting.objects.order_by("pk").values_list("kind", flat=True)) == ["capture", "refund"]
        assert_nothing_was_taken(sandbox, saga)

    def test_what_nobody_decides_is_refunded_and_the_case_closed(self, sandbox: Sandbox) -> None:
        saga = advance(overdue(self.captured()))

        assert (case_of(saga).state, case_of(saga).outcome) == ("closed", "expired")
        assert (saga.failure["code"], Refund.objects.get().status) == ("fraud_blocked", "succeeded")
        assert_nothing_was_taken(sandbox, saga)

    def test_a_cancellation_is_heard_and_refunds(self, sandbox: Sandbox) -> None:
        saga = self.captured()
        Order.objects.filter(pk=saga.order_id).update(cancel_requested_at=Now())

        saga = advance(saga)

        assert (case_of(saga).outcome, effective(sandbox, saga)[-1]) == ("expired", "refund")
        assert_nothing_was_taken(sandbox, saga, "cancelled")

    def test_a_parcel_whose_handing_over_is_unknown_waits_for_that_and_not_for_a_review(self, sandbox: Sandbox) -> None:
        saga = self.captured()
        sandbox.fault("drop_before", operation="ship", times=1)
        sandbox.fault("status_500", operation="look_up")
        close_case(case_of(saga), outcome="approved", by=None, note="Seen.")

        saga = exchange(saga)

        assert (saga.waiting_for, order_of(saga).status) == ("unknown_outcome", "processing")
        sandbox.clear_faults()
        assert advance(saga).state == "completed"

    def test_a_rejection_that_came_just_before_is_a_rejection(self, sandbox: Sandbox) -> None:
        saga = in_review()
        close_case(case_of(saga), outcome="rejected", by=None, note="Seen.")

        saga = advance(overdue(saga))

        assert effective(sandbox, saga) == ["authorize", "void"]

    def test_what_the_gateway_let_expire_is_not_charged(self, sandbox: Sandbox) -> None:
        item = make_stock(available=IN_STOCK)
        saga = in_review(item=item)
        sandbox.fault("expire_authorizations")

        saga = advance(overdue(saga))

        assert (saga.failure["code"], case_of(saga).outcome) == ("authorization_expired", "expired")
        assert StockItem.objects.get(pk=item.pk).available == IN_STOCK
        assert_nothing_was_taken(sandbox, saga)

    def test_while_captures_are_stopped_it_is_voided(self, sandbox: Sandbox) -> None:
        saga = in_review()
        captures.stop_captures(by="a test", reason="Looking into something.")
        let_authorization_age(saga, left=timedelta(minutes=59))

        saga = advance(overdue(saga))

        assert (saga.failure["code"], case_of(saga).outcome) == ("authorization_expired", "expired")
        assert effective(sandbox, saga) == ["authorize", "void"]
        assert_nothing_was_taken(sandbox, saga)


def test_a_gateway_that_let_an_authorization_expire_ends_the_checkout_with_nothing_charged(sandbox: Sandbox) -> None:
    saga = exchange(begin_checkout(make_order()))
    sandbox.fault("expire_authorizations")

    saga = advance(saga)

    assert saga.failure["code"] == "authorization_expired"
    assert journal(sandbox, saga, "capture")[-1]["result"] == "failed"
    assert_nothing_was_taken(sandbox, saga)


class TestBackOff:
    """The gateway is away when the capture is due."""

    def backing_off(self, sandbox: Sandbox, *, left: timedelta) -> SagaExecution:
        saga = begin_checkout(make_order())
        sandbox.fault("status_429", operation="capture", times=1)
        saga = exchange(saga, times=2)
        assert (saga.waiting_for, charge_of(saga).status) == ("back_off", "authorized")
        let_authorization_age(saga, left=left)
        return saga

    def test_towards_an_authorization_with_time_left_goes_on(self, sandbox: Sandbox) -> None:
        saga = self.backing_off(sandbox, left=timedelta(minutes=61))

        assert advance(saga).state == "completed"

    def test_towards_an_authorization_about_to_expire_is_voided(self, sandbox: Sandbox) -> None:
        saga = advance(self.backing_off(sandbox, left=timedelta(minutes=59)))

        assert (saga.failure["code"], effective(sandbox, saga)) == ("authorization_expired", ["authorize", "void"])
        assert_nothing_was_taken(sandbox, saga)

    @pytest.mark.usefixtures("capture_policy")
    def test_goes_on_where_the_policy_is_to_capture(self, sandbox: Sandbox) -> None:
        saga = self.backing_off(sandbox, left=timedelta(minutes=59))

        assert advance(saga).state == "completed"

    def test_ends_by_its_tries(self, sandbox: Sandbox) -> None:
        saga = begin_checkout(make_order())
        sandbox.fault("status_429", operation="capture")

        while saga.state in SagaExecution.ACTIVE:
            saga = advance(saga)

        assert (saga.failure["code"], len(journal(sandbox, saga, "capture"))) == ("gateway_unavailable", 5)
        assert_nothing_was_taken(sandbox, saga)


def test_the_first_try_is_made_however_little_time_is_left(sandbox: Sandbox) -> None:
    saga = in_review()
    let_authorization_age(saga, left=timedelta(minutes=1))

    assert judge(saga, "approved").state == "completed"
