"""A parcel that was handed over too late, and that the carrier has not called back."""

import pytest

from orders.models import Shipment
from payments.models import SagaExecution
from tests.payments.builders import advance, charge_of, exchange, run_checkout
from tests.payments.interventions.builders import ask_for, force, given_up, possible
from tests.payments.sagas.evidence import effective
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def stray(sandbox: Sandbox) -> SagaExecution:
    """The remedy of a parcel on its way, which a person has now."""
    checkout = run_checkout()
    parcel = Shipment.objects.get(order=checkout.order)
    remedy = SagaExecution.objects.create(
        definition="remedy",
        version=1,
        business_key="sandbox:ship:late",
        order=checkout.order,
        context={
            "charge": str(charge_of(checkout).pk),
            "gateway": "sandbox",
            "operation": "ship",
            "reference": parcel.carrier_reference,
            "amount": 0,
            "currency": "",
        },
    )
    sandbox.fault("status_429", operation="cancel_shipment")
    remedy = given_up(exchange(remedy))
    sandbox.clear_faults()
    assert (remedy.state, parcel.status) == ("needs_attention", "shipped")
    return remedy


def test_is_called_back_when_that_is_tried_again(stray: SagaExecution, sandbox: Sandbox) -> None:
    ask_for(stray, "retry")

    assert advance(stray).state == "completed"
    assert effective(sandbox, stray)[-1] == "cancel_shipment"
    assert Shipment.objects.get().status == "cancelled"


def test_that_came_back_by_itself_is_marked_as_compensated(stray: SagaExecution) -> None:
    force(stray, "mark_compensated", evidence="Returned to sender on Monday.")

    assert advance(stray).state == "resolved"
    assert Shipment.objects.get().status == "cancelled"


def test_that_is_lost_is_skipped_and_still_counts_as_shipped(stray: SagaExecution) -> None:
    assert "skip" in possible(stray)

    force(stray, "skip")

    assert advance(stray).state == "resolved"
    assert Shipment.objects.get().status == "shipped"
