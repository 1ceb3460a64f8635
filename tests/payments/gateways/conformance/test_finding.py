"""All that a gateway tells of a charge, by any of the names that a person may have in hand."""

import time

import pytest

from payments.gateways.base import Operation, PaymentGateway
from tests.payments.gateways.conformance.payment import Payment


def test_all_that_was_done_to_a_charge_is_told_in_order(payment: Payment) -> None:
    done = [payment.authorize(), payment.capture(), payment.refund(20_00, number=1)]
    time.sleep(1.1)  # of the same second a gateway need not tell which was first
    done.append(payment.refund(5_00, number=2))

    found = payment.found()

    assert (found.reference, found.order) == (payment.reference, payment.order)
    assert [(each.operation, each.amount_minor, each.transaction_id) for each in found.outcomes] == [
        (each.operation, each.amount_minor, each.transaction_id) for each in done
    ]


def test_a_charge_that_was_let_go_was_authorized_before(payment: Payment) -> None:
    payment.authorize()
    payment.void()

    assert [each.operation for each in payment.found().outcomes] == [Operation.AUTHORIZE, Operation.VOID]


def test_what_a_partial_capture_leaves_behind_is_no_refund(payment: Payment) -> None:
    payment.authorize()
    payment.capture(30_00)

    assert [(each.operation, each.amount_minor) for each in payment.found().outcomes] == [
        (Operation.AUTHORIZE, 50_00),
        (Operation.CAPTURE, 30_00),
    ]


def test_a_charge_is_found_by_the_name_of_anything_done_to_it(payment: Payment) -> None:
    done = [payment.authorize(), payment.capture(), payment.refund(20_00)]

    found = [payment.adapter.find(each.transaction_id) for each in done]

    assert found == [payment.found()] * 3


def test_a_refund_tells_whose_it_is(payment: Payment) -> None:
    payment.authorize()
    payment.capture()

    outcome = payment.refund(20_00)

    assert (outcome.reference, outcome.key) == (payment.reference, payment.request(Operation.REFUND).key)
    assert payment.done(Operation.REFUND)[0].key == outcome.key


@pytest.mark.parametrize("name", ["nothing", "ch_nothing", "pi_nothing", "re_nothing", "../v1/refunds", "a/b", "?x=1"])
def test_nobodys_name_is_not_found(adapter: PaymentGateway, name: str) -> None:
    assert adapter.find(name) is None
