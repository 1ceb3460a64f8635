"""What the network does to a request, told apart by what is certain: never sent, or unknown and to be asked about."""

from time import monotonic

import pytest

from payments.errors import GatewayTimeoutError, NeverSentError, RateLimitedError
from payments.gateways.base import Operation, Result
from tests.payments.gateways.conformance.payment import Payment, facts
from tests.payments.gateways.conformance.subject import TIMEOUT_SECONDS, Subject
from tests.payments.gateways.conformance.subjects import with_two_calls
from tests.peers.proxy import Fault

OPERATIONS = (Operation.AUTHORIZE, Operation.CAPTURE, Operation.VOID, Operation.REFUND)
NEVER_SENT = (Fault.REFUSED, Fault.RATE_LIMITED)
UNKNOWN = tuple(fault for fault in Fault if fault not in NEVER_SENT)
LOST = tuple(fault for fault in UNKNOWN if not fault.reaches_the_peer)
DONE = tuple(fault for fault in UNKNOWN if fault.reaches_the_peer)

on_each_operation = pytest.mark.parametrize("operation", OPERATIONS)


@on_each_operation
@pytest.mark.parametrize("fault", DONE)
def test_what_was_done_without_an_answer_is_unknown_until_the_look_up_finds_it(
    subject: Subject, payment: Payment, operation: Operation, fault: Fault
) -> None:
    request = payment.be_ready_for(operation)
    subject.proxy.fail(fault, match="POST")

    with pytest.raises(GatewayTimeoutError):
        payment.ask(request, operation)
    found = payment.look_up(operation)

    assert found is not None
    assert (found.result, found.amount_minor, found.currency) == (Result.SUCCEEDED, 50_00, "USD")
    payment.reference = found.reference
    assert [facts(each) for each in payment.done(operation)] == [facts(found)]
    assert subject.proxy.counts[fault] == 1


@on_each_operation
@pytest.mark.parametrize("fault", LOST)
def test_what_never_arrived_is_unknown_until_the_look_up_finds_nothing(
    subject: Subject, payment: Payment, operation: Operation, fault: Fault
) -> None:
    request = payment.be_ready_for(operation)
    subject.proxy.fail(fault, match="POST")

    with pytest.raises(GatewayTimeoutError):
        payment.ask(request, operation)
    found = payment.look_up(operation)

    assert found is None
    assert payment.ask(request, operation).result == Result.SUCCEEDED
    assert len(payment.done(operation)) == 1


@on_each_operation
def test_a_refused_connection_was_never_sent(subject: Subject, payment: Payment, operation: Operation) -> None:
    request = payment.be_ready_for(operation)
    subject.proxy.fail(Fault.REFUSED)

    with pytest.raises(NeverSentError) as raised:
        payment.ask(request, operation)
    subject.proxy.clear()

    assert raised.value.retriable
    assert payment.look_up(operation) is None
    assert payment.ask(request, operation).result == Result.SUCCEEDED


@on_each_operation
def test_a_gateway_that_wants_fewer_requests_did_nothing_and_says_when_to_come_back(
    subject: Subject, payment: Payment, operation: Operation
) -> None:
    request = payment.be_ready_for(operation)
    subject.proxy.fail(Fault.RATE_LIMITED, match="POST")

    with pytest.raises(RateLimitedError) as raised:
        payment.ask(request, operation)

    assert raised.value.retry_after == 1.0
    assert payment.look_up(operation) is None
    assert payment.ask(request, operation).result == Result.SUCCEEDED


def test_a_server_error_is_known_to_have_been_an_answer(subject: Subject, payment: Payment) -> None:
    request = payment.be_ready_for(Operation.AUTHORIZE)
    subject.proxy.fail(Fault.SERVER_ERROR, match="POST")

    with pytest.raises(GatewayTimeoutError) as raised:
        payment.ask(request, Operation.AUTHORIZE)

    assert raised.value.is_answered


@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE, Fault.SLOW])
def test_nobody_waits_much_longer_than_the_timeout(subject: Subject, payment: Payment, fault: Fault) -> None:
    request = payment.be_ready_for(Operation.AUTHORIZE)
    subject.proxy.fail(fault, match="POST")

    started = monotonic()
    with pytest.raises(GatewayTimeoutError):
        payment.ask(request, Operation.AUTHORIZE)

    assert monotonic() - started < 2 * TIMEOUT_SECONDS


@pytest.mark.parametrize("fault", UNKNOWN)
def test_a_look_up_without_an_answer_is_no_answer(subject: Subject, payment: Payment, fault: Fault) -> None:
    payment.authorize()
    payment.capture()
    subject.proxy.fail(fault, times=3, match="GET")

    with pytest.raises(GatewayTimeoutError):
        payment.look_up(Operation.CAPTURE)
    with pytest.raises(GatewayTimeoutError):
        payment.found()
    with pytest.raises(GatewayTimeoutError):
        payment.adapter.is_dead(payment.reference)


@pytest.mark.parametrize("fault", NEVER_SENT)
def test_a_look_up_that_was_never_sent_is_no_answer(subject: Subject, payment: Payment, fault: Fault) -> None:
    payment.authorize()
    subject.proxy.fail(fault, times=3)

    with pytest.raises(NeverSentError):
        payment.look_up(Operation.AUTHORIZE)
    with pytest.raises(NeverSentError):
        payment.found()
    with pytest.raises(NeverSentError):
        payment.adapter.is_dead(payment.reference)


@with_two_calls()
@pytest.mark.parametrize("fault", UNKNOWN)
def test_a_payment_whose_opening_was_lost_is_opened_again(subject: Subject, payment: Payment, fault: Fault) -> None:
    subject.proxy.fail(fault, match="POST")

    with pytest.raises(GatewayTimeoutError):
        payment.open()

    assert payment.authorize().result == Result.SUCCEEDED
    assert len(payment.done(Operation.AUTHORIZE)) == 1
