"""What happens to orders and stock. Callers on the money path bring the transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from orders.errors import OrderNotPayable, OutOfStock, UnknownSku
from orders.models import Order, OrderLine, Reservation, Shipment, StockItem

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class Line:
    """A line as a client asks for it; `unit_amount_minor` in the order's minor unit."""

    sku: str
    quantity: int
    unit_amount_minor: int
    name: str = ""


def place_order(
    client: "User",
    *,
    currency: str,
    customer_id: str,
    customer_email: str,
    lines: Sequence[Line],
    reference: str = "",
    billing: Mapping[str, object] | None = None,
    shipping: Mapping[str, object] | None = None,
    metadata: Mapping[str, object] | None = None,
) -> Order:
    """Raise UnknownSku when a line names an item that is not sold here."""
    _require_known_skus(lines)
    with transaction.atomic():
        order = Order.objects.create(
            client=client,
            reference=reference,
            currency=currency,
            amount_minor=sum(line.quantity * line.unit_amount_minor for line in lines),
            customer_id=customer_id,
            customer_email=customer_email,
            billing=dict(billing or {}),
            shipping=dict(shipping or {}),
            metadata=dict(metadata or {}),
        )
        OrderLine.objects.bulk_create(
            OrderLine(
                order=order,
                position=position,
                item_id=line.sku,
                name=line.name,
                quantity=line.quantity,
                unit_amount_minor=line.unit_amount_minor,
            )
            for position, line in enumerate(lines)
        )
    return order


def _require_known_skus(lines: Sequence[Line]) -> None:
    wanted = {line.sku for line in lines}
    unknown = wanted - set(StockItem.objects.filter(sku__in=wanted).values_list("sku", flat=True))
    if unknown:
        positions = [position for position, line in enumerate(lines) if line.sku in unknown]
        raise UnknownSku(f"Not sold here: {', '.join(sorted(unknown))}.", positions=positions)


def begin_checkout(order: Order) -> int:
    """Move a payable order to processing; return the number of this checkout.

    Raise OrderNotPayable unless the order is open or its last payment failed: of two checkouts at once, one gets it.
    """
    number = order.checkout_number + 1
    begun = Order.objects.filter(
        pk=order.pk, status__in=Order.PAYABLE, checkout_number=order.checkout_number, cancel_requested_at=None
    ).update(status=Order.Status.PROCESSING, checkout_number=number, updated_at=Now())
    if not begun:
        raise OrderNotPayable(_why_not_payable(order), order=order.public_id)
    order.status, order.checkout_number = Order.Status.PROCESSING, number
    return number


def _why_not_payable(order: Order) -> str:
    status = Order.objects.values_list("status", flat=True).get(pk=order.pk)
    return f"The order is {status}; only an open order, or one whose payment failed, can be checked out."


def reserve_stock(order: Order, *, checkout_number: int) -> None:
    """Set the order's items aside, or raise OutOfStock.

    SKUs are taken in ascending order, so overlapping carts queue up instead of deadlocking; the guarded update
    makes overselling impossible. The caller rolls back when this raises.
    """
    wanted = _quantities(order)
    for sku, quantity in wanted:
        taken = StockItem.objects.filter(sku=sku, available__gte=quantity).update(available=F("available") - quantity)
        if not taken:
            raise OutOfStock(f"There are not {quantity} of {sku} left.", order=order.public_id, sku=sku)
    Reservation.objects.bulk_create(
        Reservation(order=order, checkout_number=checkout_number, item_id=sku, quantity=quantity)
        for sku, quantity in wanted
    )


def _quantities(order: Order) -> list[tuple[str, int]]:
    wanted: Counter[str] = Counter()
    for line in order.lines.all():
        wanted[line.sku] += line.quantity
    return sorted(wanted.items())


def release_stock(order: Order, *, checkout_number: int) -> bool:
    """Put back what this checkout still holds; return whether there was anything."""
    held = order.reservations.filter(checkout_number=checkout_number, state=Reservation.State.HELD)
    rows = list(held.order_by("item_id").values_list("pk", "item_id", "quantity"))
    for pk, sku, quantity in rows:
        released = Reservation.objects.filter(pk=pk, state=Reservation.State.HELD).update(
            state=Reservation.State.RELEASED
        )
        if released:
            StockItem.objects.filter(sku=sku).update(available=F("available") + quantity)
    return bool(rows)


def consume_stock(order: Order, *, checkout_number: int) -> None:
    """The parcel is on its way: what was reserved is gone for good."""
    order.reservations.filter(checkout_number=checkout_number, state=Reservation.State.HELD).update(
        state=Reservation.State.CONSUMED
    )


def record_shipment(order: Order, *, carrier: str, carrier_reference: str, tracking_number: str) -> None:
    """Being recorded already is success: a look-up and an answer may both bring the same parcel.

    A second parcel for one order is refused by the database.
    """
    shipment = Shipment(
        order=order, carrier=carrier, carrier_reference=carrier_reference, tracking_number=tracking_number
    )
    Shipment.objects.bulk_create(
        [shipment],
        update_conflicts=True,
        unique_fields=["carrier", "carrier_reference"],
        update_fields=["tracking_number"],
    )


def record_shipment_cancelled(order: Order, *, carrier: str, carrier_reference: str) -> None:
    order.shipments.filter(carrier=carrier, carrier_reference=carrier_reference, status=Shipment.Status.SHIPPED).update(
        status=Shipment.Status.CANCELLED, cancelled_at=Now()
    )
