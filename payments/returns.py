"""Refunds that had succeeded and did not arrive: the gateway has the money back, and so have our books."""

from django.db.models import F
from django.db.models.functions import Now

from orders.models import Order
from payments import ledger
from payments.models import ChargeAttempt, Refund
from payments.models.client_events import tell_refund


def record_return(charge: ChargeAttempt, refund: Refund) -> bool:
    """Take the booking of `refund` back; False when it is not booked, or has been taken back already.

    The caller brings the transaction and holds the order's row. What came back belongs to the order again only if that
    was carried out; of any other it is surplus: it pays for nothing, and stands in the way of no other attempt.
    """
    booked = Refund.objects.filter(pk=refund.pk, status=Refund.Status.SUCCEEDED)
    if not booked.update(status=Refund.Status.FAILED, returned_at=Now(), updated_at=Now()):
        return False
    order = Order.objects.get(pk=charge.order_id)
    others = ChargeAttempt.objects.filter(order=order).exclude(pk=charge.pk)
    is_surplus = order.status != Order.Status.COMPLETED or others.live().exists()
    ChargeAttempt.objects.filter(pk=charge.pk).update(
        refunded_minor=F("refunded_minor") - refund.amount_minor, is_surplus=is_surplus, updated_at=Now()
    )
    if not is_surplus:
        Order.objects.filter(pk=order.pk).update(paid_minor=F("paid_minor") + refund.amount_minor, updated_at=Now())
    ledger.reverse_refund(refund)
    refund.status, refund.charge = Refund.Status.FAILED, charge
    tell_refund(refund)
    return True
