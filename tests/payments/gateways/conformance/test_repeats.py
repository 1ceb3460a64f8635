"""The same request under the same key, sent again because its first answer may have been lost."""

from contextlib import suppress

from payments.errors import GatewayTimeoutError
from payments.gateways.base import Operation
from tests.payments.gateways.conformance.payment import Payment, facts


def _repeat(payment: Payment, operation: Operation) -> None:
    """A gateway may refuse to answer the second time; what it did is another question."""
    request = payment.be_ready_for(operation)
    first = payment.ask(request, operation)
    with suppress(GatewayTimeoutError):
        payment.ask(request, operation)

    assert [facts(each) for each in payment.done(operation)] == [facts(first)]
    assert facts(payment.look_up(operation)) == facts(first)


def test_a_repeated_authorization_is_one_movement(payment: Payment) -> None:
    _repeat(payment, Operation.AUTHORIZE)


def test_a_repeated_capture_is_one_movement(payment: Payment) -> None:
    _repeat(payment, Operation.CAPTURE)


def test_a_repeated_void_is_one_movement(payment: Payment) -> None:
    _repeat(payment, Operation.VOID)


def test_a_repeated_refund_is_one_movement(payment: Payment) -> None:
    _repeat(payment, Operation.REFUND)


def test_a_repeated_authorization_is_answered_like_the_first(payment: Payment) -> None:
    _answered_alike(payment, Operation.AUTHORIZE)


def test_a_repeated_capture_is_answered_like_the_first(payment: Payment) -> None:
    _answered_alike(payment, Operation.CAPTURE)


def test_a_repeated_refund_is_answered_like_the_first(payment: Payment) -> None:
    _answered_alike(payment, Operation.REFUND)


def _answered_alike(payment: Payment, operation: Operation) -> None:
    request = payment.be_ready_for(operation)

    answers = [payment.ask(request, operation) for _ in range(2)]

    assert facts(answers[0]) == facts(answers[1])
