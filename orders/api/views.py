"""Placing orders and reading them. Checking out is a matter of payments, and stands there."""

from typing import Any, ClassVar, cast

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from orders import services
from orders.api.filters import CreatedFilters, TextFilter
from orders.api.requests import Permissions, client_of, find, idempotency_of
from orders.api.serializers import OrderInput, OrderSerializer
from orders.errors import UnknownSku
from orders.ids import parse_id
from orders.models import Order, OrderLine


class OrderFilter(CreatedFilters):
    status = django_filters.ChoiceFilter(choices=Order.Status.choices)
    reference = TextFilter(max_length=64)


class OrderList(generics.ListAPIView[Order]):
    """The orders you may see, newest first."""

    required_permissions: ClassVar[Permissions] = {"GET": "orders.view_order", "POST": "orders.add_order"}
    serializer_class = OrderSerializer
    filterset_class = OrderFilter

    def get_queryset(self) -> QuerySet[Order]:
        return Order.objects.visible_to(self.request.user).prefetch_related("lines")

    @extend_schema(request=OrderInput, responses={201: OrderSerializer})
    def post(self, request: Request) -> HttpResponse:
        """Place an order. Nothing is reserved and nothing charged before it is checked out."""
        data = _validated(request)
        idempotency = idempotency_of(request)
        replay = idempotency.replay()
        if replay is not None:
            return replay
        with idempotency.first_commit() as first_use:
            order = _place(request, data)
            body = JSONRenderer().render(OrderSerializer(order).data)
            headers = {"Content-Type": "application/json", "Location": f"/v1/orders/{order.public_id}"}
            return first_use.freeze(201, body, headers=headers)


def _validated(request: Request) -> dict[str, Any]:
    serializer = OrderInput(data=request.data)
    serializer.is_valid(raise_exception=True)
    data: dict[str, Any] = serializer.validated_data
    return data


def _place(request: Request, data: dict[str, Any]) -> Order:
    lines = [
        services.Line(line["sku"], line["quantity"], line["unit_amount"], line.get("name", ""))
        for line in data.pop("lines")
    ]
    customer = data.pop("customer")
    try:
        return services.place_order(
            client_of(request), lines=lines, customer_id=customer["id"], customer_email=customer["email"], **data
        )
    except UnknownSku as error:
        raise _unknown_skus(error, lines) from error


def _unknown_skus(error: UnknownSku, lines: list[services.Line]) -> ValidationError:
    """Says which lines, in the shape of every other faulty field."""
    positions = cast("list[int]", error.facts["positions"])
    fault = {"sku": [ErrorDetail(error.detail, code=error.code)]}
    return ValidationError({"lines": [fault if at in positions else {} for at in range(len(lines))]})


class OrderDetail(generics.RetrieveAPIView[Order]):
    """An order with its lines, and how far its payment is."""

    required_permissions: ClassVar[Permissions] = {"GET": "orders.view_order"}
    serializer_class = OrderSerializer

    def get_object(self) -> Order:
        return visible_order(self.request, self.kwargs["order_id"])


def visible_order(request: Request, order_id: str) -> Order:
    """The order with its lines, in one statement; raise NotFound also when it is another client's."""
    orders, row_id = Order.objects.visible_to(request.user), parse_id(Order.PREFIX, order_id)
    lines = OrderLine.objects.filter(order=row_id, order__in=orders).select_related("order") if row_id else ()
    if not lines:
        return find(orders.prefetch_related("lines"), order_id)
    order = lines[0].order
    order._prefetched_objects_cache = {"lines": lines}  # type: ignore[attr-defined]  # what prefetching would ask for
    return order
