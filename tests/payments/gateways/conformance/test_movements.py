"""Taking reserved money, letting it go, and giving it back."""

import pytest

from payments.errors import InvalidRequestError, OperationRefusedError
from payments.gateways.base import Operation, PaymentGateway, Result
from tests.payments.gateways.conformance.payment import Payment, facts
from tests.payments.gateways.conformance.subject import Subject
from tests.payments.gateways.conformance.subjects import with_a, without


def test_an_authorization_is_captured(payment: Payment) -> None:
    payment.authorize()

    outcome = payment.capture()

    assert (outcome.operation, outcome.result) == (Operation.CAPTURE, Result.SUCCEEDED)
    assert (outcome.amount_minor, outcome.currency) == (50_00, "USD")
    assert facts(payment.look_up(Operation.CAPTURE)) == facts(outcome)


def test_a_part_of_an_authorization_is_captured(payment: Payment) -> None:
    payment.authorize()

    outcome = payment.capture(30_00)

    assert (outcome.result, outcome.amount_minor) == (Result.SUCCEEDED, 30_00)
    assert facts(payment.look_up(Operation.CAPTURE)) == facts(outcome)


def test_an_authorization_is_let_go(payment: Payment) -> None:
    payment.authorize()

    outcome = payment.void()

    assert (outcome.operation, outcome.result) == (Operation.VOID, Result.SUCCEEDED)
    assert facts(payment.look_up(Operation.VOID)) == facts(outcome)


def test_what_was_captured_is_given_back(payment: Payment) -> None:
    payment.authorize()
    payment.capture()

    outcome = payment.refund()

    assert (outcome.operation, outcome.result) == (Operation.REFUND, Result.SUCCEEDED)
    assert (outcome.amount_minor, outcome.currency) == (50_00, "USD")
    assert facts(payment.look_up(Operation.REFUND)) == facts(outcome)


def test_it_may_be_given_back_in_parts(payment: Payment) -> None:
    payment.authorize()
    payment.capture()

    first, second = payment.refund(20_00, number=1), payment.refund(30_00, number=2)

    assert first.transaction_id != second.transaction_id
    assert [facts(payment.look_up(Operation.REFUND, number=number)) for number in (1, 2)] == [
        facts(first),
        facts(second),
    ]
    assert (first.amount_minor, second.amount_minor) == (20_00, 30_00)


def test_more_than_was_captured_is_not_refunded(payment: Payment) -> None:
    payment.authorize()
    payment.capture()
    payment.refund(30_00, number=1)

    with pytest.raises((OperationRefusedError, InvalidRequestError)) as raised:
        payment.refund(30_00, number=2)

    assert not raised.value.retriable
    assert payment.look_up(Operation.REFUND, number=2) is None


@pytest.mark.parametrize("operation", [Operation.CAPTURE, Operation.VOID, Operation.REFUND])
def test_what_was_not_asked_for_has_not_happened(payment: Payment, operation: Operation) -> None:
    payment.authorize()

    assert payment.look_up(operation) is None


def test_a_charge_is_dead_once_it_is_let_go(payment: Payment) -> None:
    payment.authorize()
    was_dead = payment.adapter.is_dead(payment.reference)
    payment.void()

    assert not was_dead
    assert payment.adapter.is_dead(payment.reference)


def test_a_charge_that_was_captured_or_given_back_was_not_dead(payment: Payment) -> None:
    payment.authorize()
    payment.capture()
    is_dead_when_captured = payment.adapter.is_dead(payment.reference)
    payment.refund()

    assert not is_dead_when_captured
    assert not payment.adapter.is_dead(payment.reference)


def _moved(payment: Payment, *, back: int) -> list[tuple[int, str]]:
    outcomes = [payment.authorize(), payment.capture(), payment.refund(back)]
    kinds = (Operation.AUTHORIZE, Operation.CAPTURE, Operation.REFUND)
    looked_up = [found for operation in kinds if (found := payment.look_up(operation))]
    return [(each.amount_minor, each.currency) for each in [*outcomes, *looked_up]]


def test_amounts_without_decimals_are_as_asked_for(subject: Subject, adapter: PaymentGateway) -> None:
    payment = Payment(adapter, subject.good_method(), amount=5_000, currency="JPY")

    amounts = _moved(payment, back=1_500)

    assert amounts == [(5_000, "JPY"), (5_000, "JPY"), (1_500, "JPY")] * 2


@with_a("three_decimals")
@pytest.mark.parametrize("currency", ["BHD", "KWD"])
def test_amounts_with_three_decimals_are_as_asked_for(subject: Subject, adapter: PaymentGateway, currency: str) -> None:
    payment = Payment(adapter, subject.good_method(), amount=12_340, currency=currency)

    amounts = _moved(payment, back=2_350)

    assert amounts == [(12_340, currency), (12_340, currency), (2_350, currency)] * 2


@without("three_decimals")
def test_a_peer_that_does_not_know_the_currency_charges_nothing(subject: Subject, adapter: PaymentGateway) -> None:
    payment = Payment(adapter, subject.good_method(), amount=12_340, currency="BHD")

    with pytest.raises(InvalidRequestError):
        payment.authorize()

    assert payment.look_up(Operation.AUTHORIZE) is None
