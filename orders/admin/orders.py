"""The orders' own part of the page of an order."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from orders.admin.days import CreatedFilter
from orders.admin.marks import Tone, address, badge, money
from orders.admin.pages import Record, Table, section
from orders.models import ACCESS_ALL_CLIENTS, Order, OrderLine, Reservation, Shipment

STATUS_TONES: Final[Mapping[str, Tone]] = {
    Order.Status.OPEN: "quiet",
    Order.Status.PROCESSING: "busy",
    Order.Status.REQUIRES_ACTION: "busy",
    Order.Status.IN_REVIEW: "busy",
    Order.Status.COMPLETED: "good",
    Order.Status.PAYMENT_FAILED: "bad",
    Order.Status.CANCELLED: "quiet",
    Order.Status.NEEDS_ATTENTION: "alarm",
}
_RESERVATION_TONES: Final[Mapping[str, Tone]] = {
    Reservation.State.HELD: "busy",
    Reservation.State.RELEASED: "quiet",
    Reservation.State.CONSUMED: "good",
}


class Lines(Table):
    model = OrderLine
    fields = ("sku", "name", "quantity", "unit_price", "amount")
    ordering = ("position",)
    list_select_related = ("order",)

    @admin.display(description="SKU")
    def sku(self, line: OrderLine) -> str:
        return line.sku

    @admin.display(description="Each")
    def unit_price(self, line: OrderLine) -> str:
        return money(line.unit_amount_minor, line.order.currency)

    @admin.display(description="Amount")
    def amount(self, line: OrderLine) -> str:
        return money(line.quantity * line.unit_amount_minor, line.order.currency)


class Reservations(Table):
    model = Reservation
    fields = ("sku", "quantity", "checkout_number", "status", "created_at")

    @admin.display(description="SKU")
    def sku(self, reservation: Reservation) -> str:
        return reservation.item_id

    @admin.display(description="State")
    def status(self, reservation: Reservation) -> SafeString:
        return badge(reservation.state, _RESERVATION_TONES[reservation.state])


class Shipments(Table):
    model = Shipment
    fields = ("public_id", "state", "carrier", "carrier_reference", "tracking_number", "created_at", "cancelled_at")

    @admin.display(description="Status")
    def state(self, shipment: Shipment) -> SafeString:
        return badge(shipment.status, "good" if shipment.status == Shipment.Status.SHIPPED else "quiet")


class ClientFilter(admin.SimpleListFilter):
    """The service accounts: asking the table whose orders there are would read all of it."""

    title = "client"
    parameter_name = "client"
    MOST = 20

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        if not request.user.has_perm(ACCESS_ALL_CLIENTS):
            return []
        accounts = User.objects.filter(is_staff=False, is_superuser=False).order_by("username")
        return accounts.values_list("username", "username")[: self.MOST]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(client__username=self.value()) if self.value() else queryset


class OrderAdmin(Record):
    """Nothing about an order is edited in a form: money hangs on it."""

    client_path = "client"
    found_by: ClassVar[Mapping[str, str]] = {Order.PREFIX: "pk", Shipment.PREFIX: "shipments"}
    list_display = ("typed_id", "reference", "customer_email", "total", "state", "client", "created_at")
    list_filter = ("status", CreatedFilter, ClientFilter)
    list_select_related = ("client",)
    search_fields: ClassVar[Any] = ("reference", "customer_email", "customer_id")
    search_help_text = "The whole id, reference, e-mail address or customer id"
    fieldsets: ClassVar[Any] = [
        section(
            "Order",
            "state total paid client_name reference checkout_number cancel_requested_at created_at updated_at",
        ),
        section("Customer", "customer_email customer_id billing_address shipping_address"),
    ]
    inlines: ClassVar[Any] = (Lines, Reservations, Shipments)

    @admin.display(description="Client")
    def client_name(self, order: Order) -> str:
        """By name alone: the account's own page is for those who manage accounts."""
        return order.client.get_username()

    @admin.display(description="Total")
    def total(self, order: Order) -> str:
        return money(order.amount_minor, order.currency)

    @admin.display(description="Paid")
    def paid(self, order: Order) -> str:
        return money(order.paid_minor, order.currency)

    @admin.display(description="Status")
    def state(self, order: Order) -> SafeString:
        return badge(order.status, STATUS_TONES[order.status])

    @admin.display(description="Billing")
    def billing_address(self, order: Order) -> str:
        return address(order.billing)

    @admin.display(description="Shipping")
    def shipping_address(self, order: Order) -> str:
        return address(order.shipping)
