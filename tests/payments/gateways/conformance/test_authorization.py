"""Reserving money, being refused it, and having the customer prove who they are."""

from dataclasses import replace

import pytest

from payments.errors import CardDeclinedError, InvalidRequestError
from payments.gateways.base import Operation, PaymentGateway, Result
from tests.payments.gateways.conformance.payment import Payment, facts
from tests.payments.gateways.conformance.subject import Subject
from tests.payments.gateways.conformance.subjects import with_a, with_two_calls, without


def test_an_amount_is_reserved(payment: Payment) -> None:
    outcome = payment.authorize()

    assert (outcome.operation, outcome.result) == (Operation.AUTHORIZE, Result.SUCCEEDED)
    assert (outcome.amount_minor, outcome.currency) == (50_00, "USD")
    assert outcome.transaction_id
    assert outcome.reference
    assert facts(payment.look_up(Operation.AUTHORIZE)) == facts(outcome)


def test_a_declined_card_is_a_definite_no_with_a_code(subject: Subject, adapter: PaymentGateway) -> None:
    payment = Payment(adapter, subject.declined_method())

    with pytest.raises(CardDeclinedError) as raised:
        payment.authorize()

    assert not raised.value.retriable
    assert raised.value.facts["decline_code"]
    found = payment.look_up(Operation.AUTHORIZE)
    assert found is not None
    assert (found.result, found.decline_code) == (Result.DECLINED, raised.value.facts["decline_code"])


def test_a_declined_card_is_known_by_the_reference_the_refusal_gives(subject: Subject, adapter: PaymentGateway) -> None:
    payment = Payment(adapter, subject.declined_method())

    with pytest.raises(CardDeclinedError) as raised:
        payment.authorize()

    found = adapter.find(str(raised.value.facts["reference"]))
    assert found is not None
    assert [(each.operation, each.result) for each in found.outcomes] == [(Operation.AUTHORIZE, Result.DECLINED)]


def test_a_payment_method_of_no_gateway_is_refused_before_anybody_is_asked(adapter: PaymentGateway) -> None:
    with pytest.raises(InvalidRequestError):
        adapter.require_known("4242424242424242")


def test_a_payment_method_that_can_be_charged_is_known(subject: Subject, adapter: PaymentGateway) -> None:
    adapter.require_known(subject.good_method())


@with_two_calls()
def test_nothing_has_happened_to_a_payment_that_is_merely_opened(payment: Payment) -> None:
    payment.open()

    assert payment.reference
    assert payment.look_up(Operation.AUTHORIZE) is None
    assert payment.look_up(Operation.CAPTURE) is None
    assert not payment.adapter.is_dead(payment.reference)


@with_two_calls()
def test_a_payment_that_is_opened_can_be_made_impossible(payment: Payment) -> None:
    payment.open()

    assert payment.void().result == Result.SUCCEEDED
    assert payment.adapter.is_dead(payment.reference)


@with_a("three_d_secure")
@pytest.mark.parametrize(("is_passed", "result"), [(True, Result.SUCCEEDED), (False, Result.FAILED)])
def test_a_challenge_waits_for_the_customer_and_then_is_what_they_made_of_it(
    subject: Subject, adapter: PaymentGateway, is_passed: bool, result: Result
) -> None:
    payment = Payment(adapter, subject.challenged_method())

    assert payment.authorize().result == Result.REQUIRES_ACTION
    waiting = payment.look_up(Operation.AUTHORIZE)
    subject.answer_challenge(payment.reference, is_passed=is_passed)
    answered = payment.look_up(Operation.AUTHORIZE)

    assert waiting is not None
    assert answered is not None
    assert (waiting.result, answered.result) == (Result.REQUIRES_ACTION, result)
    assert (answered.amount_minor, answered.currency) == (50_00, "USD")


@with_a("three_d_secure")
def test_what_passed_a_challenge_can_be_captured(subject: Subject, adapter: PaymentGateway) -> None:
    payment = Payment(adapter, subject.challenged_method())
    payment.authorize()
    subject.answer_challenge(payment.reference, is_passed=True)

    assert payment.capture().result == Result.SUCCEEDED


@with_a("three_d_secure")
def test_a_failed_challenge_says_so_and_can_be_made_final(subject: Subject, adapter: PaymentGateway) -> None:
    payment = Payment(adapter, subject.challenged_method())
    payment.authorize()

    subject.answer_challenge(payment.reference, is_passed=False)
    found = payment.look_up(Operation.AUTHORIZE)
    if not adapter.is_dead(payment.reference):
        payment.void()

    assert found is not None
    assert found.decline_code == "authentication_failed"
    assert adapter.is_dead(payment.reference)


@with_a("three_d_secure")
def test_the_customer_comes_back_from_a_challenge(subject: Subject, adapter: PaymentGateway) -> None:
    payment = Payment(adapter, subject.challenged_method())
    payment.authorization = replace(payment.authorization, return_url="https://shop.example/return")

    outcome = payment.authorize()

    assert outcome.result == Result.REQUIRES_ACTION
    assert outcome.next_action_url.startswith("http")


@without("three_d_secure")
def test_a_gateway_without_3ds_does_not_charge_where_it_is_asked_for(payment: Payment) -> None:
    payment.authorization = replace(payment.authorization, three_d_secure=True)

    with pytest.raises(InvalidRequestError):
        payment.authorize()

    assert payment.look_up(Operation.AUTHORIZE) is None
