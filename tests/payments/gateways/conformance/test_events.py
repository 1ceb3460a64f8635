"""A gateway that cannot be asked tells by its events, and has to tell there all that a look-up would."""

import pytest

from payments.errors import GatewayTimeoutError
from payments.gateways.base import Operation, Outcome, PaymentGateway, Result
from tests.payments.gateways.conformance.adyen import OnAdyen
from tests.payments.gateways.conformance.payment import Payment
from tests.payments.gateways.conformance.subject import Subject
from tests.payments.gateways.conformance.subjects import told_by_events_alone
from tests.payments.gateways.conformance.test_lost_answers import DONE, LOST, on_each_operation
from tests.peers.proxy import Fault


def told(subject: Subject, adapter: PaymentGateway, key: str) -> Outcome:
    """What the event about the request of this key says."""
    assert isinstance(subject, OnAdyen)
    outcome = adapter.parse_webhook(subject.receiver.wait_for(f'"{key}"').body)
    assert isinstance(outcome, Outcome)
    return outcome


@told_by_events_alone()
@on_each_operation
def test_an_event_tells_what_became_of_the_request_that_its_key_names(
    subject: Subject, adapter: PaymentGateway, payment: Payment, operation: Operation
) -> None:
    request = payment.be_ready_for(operation)

    answer = payment.ask(request, operation)
    event = told(subject, adapter, request.key)

    assert answer.result in (Result.SUCCEEDED, Result.PENDING)
    assert (event.operation, event.result, event.key) == (operation, Result.SUCCEEDED, request.key)
    assert (event.transaction_id, event.reference) == (answer.transaction_id, answer.reference)
    assert (event.amount_minor, event.currency) == (50_00, "USD")


@told_by_events_alone()
@on_each_operation
@pytest.mark.parametrize("fault", DONE)
def test_what_was_done_without_an_answer_is_told_by_its_event(
    subject: Subject, adapter: PaymentGateway, payment: Payment, operation: Operation, fault: Fault
) -> None:
    request = payment.be_ready_for(operation)
    subject.proxy.fail(fault, match="POST")

    with pytest.raises(GatewayTimeoutError):
        payment.ask(request, operation)

    event = told(subject, adapter, request.key)
    assert (event.operation, event.result, event.amount_minor) == (operation, Result.SUCCEEDED, 50_00)


@told_by_events_alone()
@pytest.mark.parametrize("fault", LOST)
def test_what_never_arrived_is_carried_out_once_when_it_is_sent_again(
    subject: Subject, payment: Payment, fault: Fault
) -> None:
    assert isinstance(subject, OnAdyen)
    request = payment.be_ready_for(Operation.AUTHORIZE)
    subject.proxy.fail(fault, match="POST")

    with pytest.raises(GatewayTimeoutError):
        payment.ask(request, Operation.AUTHORIZE)

    assert subject.payments_of(payment.order) == []
    assert payment.authorize().result == Result.SUCCEEDED
    assert len(subject.payments_of(payment.order)) == 1


@told_by_events_alone()
@on_each_operation
def test_a_repeated_request_is_carried_out_once(subject: Subject, payment: Payment, operation: Operation) -> None:
    assert isinstance(subject, OnAdyen)
    request = payment.be_ready_for(operation)

    answers = [payment.ask(request, operation) for _ in range(2)]

    assert answers[0] == answers[1]
    assert subject.calls_under(request.key) == 1


@told_by_events_alone()
def test_more_than_was_captured_is_refused_by_an_event(
    subject: Subject, adapter: PaymentGateway, payment: Payment
) -> None:
    payment.authorize()
    payment.capture()
    payment.refund(30_00, number=1)

    payment.refund(30_00, number=2)

    event = told(subject, adapter, payment.request(Operation.REFUND, number=2).key)
    assert (event.operation, event.result) == (Operation.REFUND, Result.FAILED)


@told_by_events_alone()
@pytest.mark.parametrize(("amount", "currency"), [(5_000, "JPY"), (12_340, "BHD"), (700, "ISK"), (9_900, "IDR")])
def test_an_event_tells_amounts_as_they_were_asked_for(
    subject: Subject, adapter: PaymentGateway, amount: int, currency: str
) -> None:
    payment = Payment(adapter, subject.good_method(), amount=amount, currency=currency)
    payment.authorize()
    payment.capture()

    events = [told(subject, adapter, payment.request(each).key) for each in (Operation.AUTHORIZE, Operation.CAPTURE)]

    assert [(each.amount_minor, each.currency) for each in events] == [(amount, currency)] * 2
