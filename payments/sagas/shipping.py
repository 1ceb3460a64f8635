"""The calls a checkout makes to its carrier, and how each is undone."""

from orders import services as orders
from orders.models import Shipment
from payments.errors import OperationRefusedError, ShipmentRefusedError
from payments.gateways import registry as gateways
from payments.gateways.base import Carrier, Operation, Outcome, Request, Result
from payments.outcomes import open_remedy
from payments.sagas.definition import ForeignOperation, Park, Refuse, Verdict
from payments.sagas.operations import charge_of, reason_to_stop, wait
from payments.sagas.run import Run
from payments.sagas.verdicts import await_verdict_before_shipping


class CarrierOperation(ForeignOperation):
    operation: Operation
    is_announced = False

    def peer(self, run: Run) -> Carrier:
        return gateways.carrier()

    def look_up(self, run: Run, request: Request) -> Outcome | None:
        return self.peer(run).look_up(self.operation, request)


class Shipping(CarrierOperation):
    """Hand the parcel to the carrier, once it is paid for."""

    name = "create_shipment"
    operation = Operation.SHIP

    def reason_to_stop(self, run: Run) -> Refuse | None:
        if not run.order.is_paid:
            return Refuse(OperationRefusedError("The order is not paid for."))
        return reason_to_stop(run)

    def prepare(self, run: Run) -> Request | Park | Refuse:
        order = run.order
        if stop := self.reason_to_stop(run) or await_verdict_before_shipping(run):
            return stop
        return Request(key="", order=order.public_id, address=order.shipping)

    def execute(self, run: Run, request: Request) -> Outcome:
        return self.peer(run).ship(request)

    def record(self, run: Run, outcome: Outcome, source: str) -> Verdict:
        if outcome.result == Result.PENDING:
            return wait(run, "carrier")
        if outcome.result != Result.SUCCEEDED:
            return Refuse(ShipmentRefusedError())
        carrier = self.peer(run).name
        if _is_too_late(run, carrier, outcome):
            open_remedy(charge_of(run), outcome, peer=carrier)
        orders.record_shipment(
            run.order,
            carrier=carrier,
            carrier_reference=outcome.reference,
            tracking_number=outcome.tracking_number,
        )
        return None


def _is_too_late(run: Run, carrier: str, outcome: Outcome) -> bool:
    """Nobody counts on this parcel any more, and its saga will not call it back."""
    has_gone_on = run.saga.is_final or not run.is_forward
    parcels = Shipment.objects.filter(carrier=carrier, carrier_reference=outcome.reference)
    return has_gone_on and not parcels.exists()


class ShipmentCancelling(CarrierOperation):
    """Call the parcel back."""

    name = "cancel_shipment"
    operation = Operation.CANCEL_SHIPMENT

    def prepare(self, run: Run) -> Request | None:
        shipment = run.order.shipments.filter(status="shipped").first()
        if shipment is None:
            return None
        return Request(key="", order=run.order.public_id, reference=shipment.carrier_reference)

    def execute(self, run: Run, request: Request) -> Outcome:
        return self.peer(run).cancel_shipment(request)

    def record(self, run: Run, outcome: Outcome, source: str) -> Verdict:
        if outcome.result != Result.SUCCEEDED:
            return Refuse(OperationRefusedError("The carrier does not call the parcel back."))
        orders.record_shipment_cancelled(run.order, carrier=self.peer(run).name, carrier_reference=outcome.reference)
        return None
