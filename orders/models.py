"""Orders, their lines, stock, reservations and shipments."""

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from orders.errors import InvalidTransition
from orders.ids import TypedModel
from orders.money import Money

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

ACCESS_ALL_CLIENTS = "orders.access_all_clients"
"""The permission of people who work for every client; everyone else sees what is their own."""


class OrderQuerySet(models.QuerySet["Order"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if user.has_perm(ACCESS_ALL_CLIENTS) else self.filter(client_id=user.pk)


class Order(TypedModel):
    """What a client sells to one customer, and how far its payment is."""

    PREFIX = "ord"

    class Status(models.TextChoices):
        OPEN = "open"
        PROCESSING = "processing"
        REQUIRES_ACTION = "requires_action"
        IN_REVIEW = "in_review"
        COMPLETED = "completed"
        PAYMENT_FAILED = "payment_failed"
        CANCELLED = "cancelled"
        NEEDS_ATTENTION = "needs_attention"

    IN_CHECKOUT = (Status.PROCESSING, Status.REQUIRES_ACTION, Status.IN_REVIEW)
    PAYABLE = (Status.OPEN, Status.PAYMENT_FAILED)

    client = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="orders")
    reference = models.CharField(max_length=64, blank=True, help_text="The client's own name for the order.")
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField(help_text="The sum of the lines, in minor units.")
    paid_minor = models.BigIntegerField(default=0, help_text="Captured minus refunded, in minor units.")
    status = models.CharField(max_length=16, choices=Status, default=Status.OPEN)
    customer_id = models.CharField(max_length=128)
    customer_email = models.EmailField(max_length=254)
    billing = models.JSONField(default=dict)
    shipping = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict, blank=True)
    checkout_number = models.PositiveIntegerField(default=0, help_text="How many checkouts were begun.")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = OrderQuerySet.as_manager()

    class Meta:
        permissions: ClassVar = [("access_all_clients", "Can work with the objects of every client")]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="order_amount_positive"),
            models.CheckConstraint(
                condition=Q(paid_minor__gte=0, paid_minor__lte=F("amount_minor")), name="order_paid_within_amount"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["client", "-id"], name="order_by_client"),
            models.Index(fields=["status", "-id"], name="order_by_status"),
            models.Index(fields=["reference"], name="order_by_reference"),
            models.Index(fields=["customer_email"], name="order_by_email"),
            models.Index(fields=["customer_id"], name="order_by_customer"),
            models.Index(fields=["-created_at"], name="order_by_age"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def total(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_paid(self) -> bool:
        return self.paid_minor >= self.amount_minor

    def move(self, to: "Order.Status", **changes: Any) -> None:
        """Raise InvalidTransition when the order is not where it was, or may not go there.

        What `settings.ORDER_MOVED` does about it comes with it, or neither does.
        """
        if not (to in NEXT[Order.Status(self.status)] and self._move(to, **changes)):
            raise InvalidTransition(f"The order is {self.status} and cannot become {to}.", order=self.public_id)

    def _move(self, to: "Order.Status", **changes: Any) -> bool:
        with transaction.atomic(savepoint=False):
            here = Order.objects.filter(pk=self.pk, status=self.status)
            if not here.update(status=to, updated_at=Now(), **changes):
                return False
            self.status = to
            import_string(settings.ORDER_MOVED)(self)
        return True


_S = Order.Status
_OUT_OF_CHECKOUT = {_S.OPEN, _S.COMPLETED, _S.PAYMENT_FAILED, _S.CANCELLED, _S.NEEDS_ATTENTION}
NEXT: dict[Order.Status, set[Order.Status]] = {
    _S.OPEN: {_S.PROCESSING, _S.CANCELLED},
    _S.PROCESSING: _OUT_OF_CHECKOUT | {_S.REQUIRES_ACTION, _S.IN_REVIEW},
    _S.REQUIRES_ACTION: _OUT_OF_CHECKOUT | {_S.PROCESSING, _S.IN_REVIEW},
    _S.IN_REVIEW: _OUT_OF_CHECKOUT | {_S.PROCESSING},
    _S.PAYMENT_FAILED: {_S.PROCESSING, _S.CANCELLED},
    _S.NEEDS_ATTENTION: {_S.PROCESSING, _S.COMPLETED, _S.CANCELLED, _S.PAYMENT_FAILED},
    _S.COMPLETED: set(),
    _S.CANCELLED: set(),
}


class OrderLine(models.Model):
    """One item of an order, at the price agreed."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    position = models.PositiveSmallIntegerField()
    item = models.ForeignKey("StockItem", models.PROTECT, to_field="sku", db_column="sku", related_name="+")
    name = models.CharField(max_length=200, blank=True)
    quantity = models.PositiveIntegerField()
    unit_amount_minor = models.BigIntegerField()

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "position"], name="one_line_per_position"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="line_quantity_positive"),
            models.CheckConstraint(condition=Q(unit_amount_minor__gte=0), name="line_amount_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku}"

    @property
    def sku(self) -> str:
        return self.item_id


class StockItem(models.Model):
    """How many of one SKU can still be promised."""

    sku = models.CharField("SKU", max_length=64, unique=True)
    name = models.CharField(max_length=200, blank=True)
    available = models.PositiveIntegerField(default=0, help_text="On the shelf and not reserved by any order.")

    class Meta:
        ordering: ClassVar = ["sku"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(available__gte=0), name="stock_never_oversold"),
        ]

    def __str__(self) -> str:
        return self.sku


class Reservation(models.Model):
    """Stock set aside for one checkout of an order."""

    class State(models.TextChoices):
        HELD = "held"
        RELEASED = "released"
        CONSUMED = "consumed"

    order = models.ForeignKey(Order, models.CASCADE, related_name="reservations")
    checkout_number = models.PositiveIntegerField()
    item = models.ForeignKey(StockItem, models.PROTECT, to_field="sku", db_column="sku", related_name="reservations")
    quantity = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.HELD)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["order", "checkout_number", "item"], name="one_reservation_per_checkout_and_sku"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="reservation_quantity_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.item_id} ({self.state})"


class Shipment(TypedModel):
    """A parcel the carrier has taken."""

    PREFIX = "shp"

    class Status(models.TextChoices):
        SHIPPED = "shipped"
        CANCELLED = "cancelled"

    order = models.ForeignKey(Order, models.PROTECT, related_name="shipments")
    carrier = models.CharField(max_length=32)
    carrier_reference = models.CharField(max_length=128)
    tracking_number = models.CharField(max_length=128, blank=True)
    status = models.CharField(max_length=9, choices=Status, default=Status.SHIPPED)
    created_at = models.DateTimeField(db_default=Now())
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["carrier", "carrier_reference"], name="one_shipment_per_carrier_reference"),
            models.UniqueConstraint(
                fields=["order"], condition=Q(status="shipped"), name="one_live_shipment_per_order"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id
