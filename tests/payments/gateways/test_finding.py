"""What the sandbox and its carrier know under their own names."""

import pytest

from payments.errors import GatewayTimeoutError
from payments.gateways.base import Operation, Result
from payments.gateways.registry import carrier, gateway
from tests.orders.builders import make_order
from tests.payments.builders import charge_of, order_of, run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def test_a_charge_is_found_by_its_name_and_by_that_of_anything_done_to_it(sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout(make_order(postal_code="99999")))

    found = gateway("sandbox").find(charge.gateway_reference)

    assert found is not None
    assert (found.reference, found.order) == (charge.gateway_reference, charge.order.public_id)
    assert [(each.operation, each.result, each.amount_minor) for each in found.outcomes] == [
        (Operation.AUTHORIZE, Result.SUCCEEDED, 25_00),
        (Operation.CAPTURE, Result.SUCCEEDED, 25_00),
        (Operation.REFUND, Result.SUCCEEDED, 25_00),
    ]
    assert [each.key.rpartition(":")[0].rpartition(":")[2] for each in found.outcomes] == ["do", "do", "undo"]
    for outcome in found.outcomes:
        assert gateway("sandbox").find(outcome.transaction_id) == found


def test_a_parcel_is_found_by_its_name_and_by_that_of_its_shipping(sandbox: Sandbox) -> None:
    order = order_of(run_checkout())
    parcel = order.shipments.get()

    found = carrier().find(parcel.carrier_reference)

    assert found is not None
    assert (found.reference, found.order) == (parcel.carrier_reference, order.public_id)
    assert [each.tracking_number for each in found.outcomes] == [parcel.tracking_number]
    assert carrier().find(found.outcomes[0].transaction_id) == found


@pytest.mark.parametrize("name", ["sch_nothing", "stx_nothing", "../faults", "a/b", "?x=1", "ord_1", "x" * 200])
def test_what_is_nobodys_name_is_not_found(sandbox: Sandbox, name: str) -> None:
    assert gateway("sandbox").find(name) is None
    assert carrier().find(name) is None


def test_a_charge_is_no_parcel_and_a_parcel_no_charge(sandbox: Sandbox) -> None:
    saga = run_checkout()
    parcel, charge = order_of(saga).shipments.get(), charge_of(saga)

    assert carrier().find(charge.gateway_reference) is None
    assert gateway("sandbox").find(parcel.carrier_reference) is None


def test_an_error_is_no_answer(sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout())
    sandbox.fault("status_500", operation="look_up")

    with pytest.raises(GatewayTimeoutError):
        gateway("sandbox").find(charge.gateway_reference)


def test_what_is_answered_otherwise_than_agreed_is_no_answer(sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout())
    sandbox.fault("garbage", operation="look_up")

    with pytest.raises(GatewayTimeoutError):
        gateway("sandbox").find(charge.gateway_reference)
