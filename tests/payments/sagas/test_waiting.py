"""A checkout that waits for its customer, or for a person who judges it."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from fraud.models import ReviewCase
from fraud.services import close_case
from orders.models import Order
from payments.models import SagaExecution
from tests.orders.builders import make_order
from tests.payments.builders import (
    advance,
    charge_of,
    order_of,
    run_checkout,
)
from tests.payments.sagas.evidence import assert_nothing_was_taken, effective, overdue
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def click(sandbox: Sandbox, saga: SagaExecution, button: str) -> None:
    url = f"{charge_of(saga).next_action_url}/{button}"
    answer = sandbox.http.request("POST", url, fields={}, encode_multipart=False, redirect=False)
    assert answer.status == 303, answer.data


class TestThreeDSecure:
    def test_a_challenge_parks_the_checkout_and_says_where_to_go(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_3ds", return_url="https://shop.example/thanks")

        charge = charge_of(saga)
        assert (saga.state, saga.waiting_for, order_of(saga).status) == (
            "waiting", "customer_action", "requires_action",
        )  # fmt: skip
        assert (charge.status, charge.next_action_url) == (
            "requires_action", f"{sandbox.url}/3ds/{charge.gateway_reference}",
        )  # fmt: skip

    def test_an_approved_challenge_is_captured_and_shipped(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_3ds")
        click(sandbox, saga, "approve")

        saga = advance(saga)

        assert (saga.state, order_of(saga).status, charge_of(saga).next_action_url) == ("completed", "completed", "")
        assert effective(sandbox, saga).count("capture") == 1

    def test_a_customer_who_is_slow_is_asked_after_again(self, sandbox: Sandbox) -> None:
        saga = advance(run_checkout(payment_method="tok_3ds"))

        assert (saga.state, saga.waiting_for) == ("waiting", "customer_action")

    def test_a_failed_challenge_ends_the_checkout_and_the_charge_is_dead(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_3ds")
        click(sandbox, saga, "fail")

        saga = advance(saga)

        assert saga.failure["code"] == "authentication_failed"
        assert_nothing_was_taken(sandbox, saga)

    def test_a_customer_who_never_comes_back_is_cancelled_at_the_gateway(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_3ds")

        saga = advance(overdue(saga))

        assert (saga.failure["code"], charge_of(saga).status) == ("authentication_failed", "voided")
        assert effective(sandbox, saga)[-1] == "void"
        assert_nothing_was_taken(sandbox, saga)

    def test_a_customer_who_comes_at_the_last_moment_is_served(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_3ds")
        click(sandbox, saga, "approve")

        assert advance(overdue(saga)).state == "completed"

    def test_a_customer_of_another_country_is_challenged_after_screening_in_review(self, sandbox: Sandbox) -> None:
        saga = run_checkout(payment_method="tok_country_DE")

        assert (saga.waiting_for, order_of(saga).status) == ("review", "in_review")

    def test_a_high_amount_makes_the_gateway_challenge_the_customer(self, sandbox: Sandbox) -> None:
        saga = run_checkout(make_order(quantity=1, unit_amount_minor=2_000_00))

        assert (saga.waiting_for, charge_of(saga).status) == ("customer_action", "requires_action")


class TestReview:
    def in_review(self) -> SagaExecution:
        saga = run_checkout(payment_method="tok_avs_partial")
        assert (saga.state, saga.waiting_for, order_of(saga).status) == ("waiting", "review", "in_review")
        return saga

    def judge(self, saga: SagaExecution, outcome: str) -> SagaExecution:
        close_case(ReviewCase.objects.get(order_id=saga.order_id), outcome=outcome, by=None, note="Seen.")
        saga.wake()
        return advance(saga)

    def test_a_doubtful_authorization_is_held(self, sandbox: Sandbox) -> None:
        saga = self.in_review()

        assert (charge_of(saga).status, effective(sandbox, saga)) == ("authorized", ["authorize"])
        assert ReviewCase.objects.get(order_id=saga.order_id).state == "open"

    def test_a_review_is_due_an_hour_before_the_authorization_expires(self, sandbox: Sandbox) -> None:
        saga = self.in_review()

        due_at = ReviewCase.objects.get(order_id=saga.order_id).due_at
        expires_at = charge_of(saga).authorization_expires_at
        assert expires_at is not None
        assert due_at == expires_at - timedelta(hours=1)
        assert saga.deadline_at is not None
        assert abs(saga.deadline_at - due_at) < timedelta(seconds=1)

    def test_what_is_approved_is_captured_and_shipped(self, sandbox: Sandbox) -> None:
        saga = self.judge(self.in_review(), "approved")

        assert (saga.state, effective(sandbox, saga)) == ("completed", ["authorize", "capture", "ship"])

    def test_what_is_rejected_is_voided(self, sandbox: Sandbox) -> None:
        saga = self.judge(self.in_review(), "rejected")

        assert (saga.failure["code"], effective(sandbox, saga)) == ("fraud_blocked", ["authorize", "void"])
        assert_nothing_was_taken(sandbox, saga)

    def test_what_nobody_judges_in_time_is_voided_and_the_case_closed(self, sandbox: Sandbox) -> None:
        saga = advance(overdue(self.in_review()))

        case = ReviewCase.objects.get(order_id=saga.order_id)
        assert (case.state, case.outcome, saga.failure["code"]) == ("closed", "expired", "fraud_blocked")
        assert_nothing_was_taken(sandbox, saga)

    def test_nobody_is_asked_about_an_order_that_was_cancelled_meanwhile(self, sandbox: Sandbox) -> None:
        saga = self.in_review()
        Order.objects.filter(pk=saga.order_id).update(cancel_requested_at=Now())

        saga = advance(saga)

        case = ReviewCase.objects.get(order_id=saga.order_id)
        assert (order_of(saga).status, charge_of(saga).status) == ("cancelled", "voided")
        assert (case.state, case.outcome) == ("closed", "expired")

    def test_after_the_charge_the_parcel_leaves_and_the_case_stays_open(
        self, sandbox: Sandbox, settings: Settings
    ) -> None:
        settings.FRAUD_REVIEW_MODE = "post_charge"

        saga = run_checkout(payment_method="tok_avs_partial")

        assert (saga.state, effective(sandbox, saga)) == ("completed", ["authorize", "capture", "ship"])
        assert ReviewCase.objects.get(order_id=saga.order_id).state == "open"

    def test_an_authorization_that_expired_in_review_is_not_captured(self, sandbox: Sandbox) -> None:
        saga = self.in_review()
        sandbox.fault("expire_authorizations")

        saga = self.judge(saga, "approved")

        assert "capture" not in effective(sandbox, saga)
        assert_nothing_was_taken(sandbox, saga)
