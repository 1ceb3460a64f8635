"""The carrier: ships an order once, and can be asked to call the parcel back."""

from payments.sandbox import fields
from payments.sandbox.journal import Subject
from payments.sandbox.messages import Delivery, Refusal, Request
from payments.sandbox.records import Operation, Shipment, find, new_id, record, record_alone, save
from payments.sandbox.turn import Outcome, Result, Turn

REFUSED_POSTAL_CODE = "99999"
SILENT_POSTAL_CODE = "99998"


def ship(turn: Turn, request: Request) -> Outcome:
    """POST /v1/shipments."""
    order, address = fields.text(request.body, "order"), fields.mapping(request.body, "address")
    postal_code = address.get("postal_code")
    if postal_code == REFUSED_POSTAL_CODE:
        return _refused(turn, order)
    shipment = Shipment(
        id=new_id("shp", turn.now),
        order=order,
        status="shipped",
        created_at=turn.at,
        tracking_number=new_id("SBX", turn.now).replace("_", "").upper(),
        address=address,
    )
    delivery = Delivery.SILENCE if postal_code == SILENT_POSTAL_CODE else Delivery.ANSWER
    return _done(turn, shipment, turn.operation("ship", None, None, Result.SUCCEEDED), delivery)


def cancel_shipment(turn: Turn, request: Request) -> Outcome:
    """POST /v1/shipments/{id}/cancel."""
    shipment = require_shipment(turn, request)
    if shipment.status == "cancelled":
        raise Refusal(409, "shipment_already_cancelled", "The shipment is already cancelled.")
    shipment.status = "cancelled"
    return _done(turn, shipment, turn.operation("cancel_shipment", None, None, Result.SUCCEEDED))


def require_shipment(turn: Turn, request: Request) -> Shipment:
    shipment = find(turn.db, request.target)
    if not isinstance(shipment, Shipment):
        raise Refusal(404, "shipment_not_found", f"There is no shipment {request.target!r}.")
    return shipment


def _refused(turn: Turn, order: str) -> Outcome:
    operation = turn.operation("ship", None, None, Result.DECLINED)
    operation.error = {"code": "shipment_refused", "message": "The carrier does not deliver to this postal code."}
    record_alone(turn.db, operation, order=order, document=None)
    body = {"error": operation.error, "shipment": None, "operation": vars(operation)}
    return Outcome(422, body, Result.DECLINED, Subject(order=order), True)


def _done(turn: Turn, shipment: Shipment, operation: Operation, delivery: Delivery = Delivery.ANSWER) -> Outcome:
    record(turn.db, shipment, operation)
    save(turn.db, shipment, turn.now)
    body = {"shipment": shipment.public(), "operation": vars(operation)}
    subject = Subject(None, shipment.id, shipment.order)
    return Outcome(200, body, Result.SUCCEEDED, subject, True, delivery)
