"""Checking out, and reading what became of it."""

from typing import ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from orders.api.filters import CreatedFilters, IdFilter, TextFilter
from orders.api.requests import Permissions, Refusals, find
from orders.api.serializers import OrderSerializer
from orders.api.strict import NothingInput
from orders.api.views import visible_order
from orders.errors import InvalidTransition, OrderNotCancellable, OrderNotPayable, OutOfStock
from orders.models import Order
from payments import card_testing, errors, services
from payments.api import answers
from payments.api.inline import run_once
from payments.api.serializers import (
    ChargeSerializer,
    CheckoutInput,
    CheckoutSerializer,
    SagaSerializer,
    SagaSummarySerializer,
)
from payments.idempotency import Idempotency
from payments.models import ChargeAttempt, IdempotencyKey, SagaExecution
from payments.sagas.run import Run


class Checkout(APIView):
    """Pay for an order: reserve, screen, authorize, capture and ship it."""

    required_permissions: ClassVar[Permissions] = {"POST": "payments.add_chargeattempt"}
    refusals: ClassVar[Refusals] = (
        errors.UnknownGatewayError,
        errors.InvalidRequestError,
        OrderNotPayable,
        OutOfStock,
        errors.CheckoutCancelledError,
        errors.CardTestingSuspectedError,
        errors.FraudBlockedError,
        errors.CardDeclinedError,
        errors.InsufficientFundsError,
        errors.ExpiredCardError,
        errors.AuthenticationRequiredError,
        errors.OperationRefusedError,
        errors.AuthorizationExpiredError,
        errors.ShipmentRefusedError,
        errors.GatewayUnavailableError,
    )

    @extend_schema(request=CheckoutInput, responses={201: CheckoutSerializer, 202: CheckoutSerializer})
    def post(self, request: Request, order_id: str) -> HttpResponse:
        payment = _payment(request)
        order = visible_order(request, order_id)
        payment = services.routed(payment, order)

        def require_chargeable() -> None:
            services.require_payable_with(payment)
            card_testing.require_none(
                client_id=order.client_id,
                payment_method=payment.payment_method,
                customer_ip=payment.customer_ip,
                now=timezone.now(),
            )

        def start(key: IdempotencyKey, is_inline: bool) -> Run:
            return services.start_checkout(order, payment, key=key, is_inline=is_inline)

        return run_once(request, start, require=require_chargeable)


class Cancel(APIView):
    """Cancel an order; one that is being checked out is stopped where that is still safe."""

    required_permissions: ClassVar[Permissions] = {"POST": "orders.change_order"}
    refusals: ClassVar[Refusals] = (OrderNotCancellable, InvalidTransition)

    @extend_schema(request=NothingInput, responses={200: OrderSerializer})
    def post(self, request: Request, order_id: str) -> HttpResponse:
        NothingInput(data=request.data).is_valid(raise_exception=True)
        order = visible_order(request, order_id)
        idempotency = Idempotency.of(request)
        replay = idempotency.replay()
        if replay is not None:
            return replay
        with idempotency.first_commit() as first_use:
            services.cancel_order(order)
            body = JSONRenderer().render(OrderSerializer(order).data)
            return first_use.freeze(200, body, headers={"Content-Type": answers.JSON})


def _payment(request: Request) -> services.Payment:
    serializer = CheckoutInput(data=request.data)
    serializer.is_valid(raise_exception=True)
    return services.Payment(**serializer.validated_data)


class ChargeFilter(CreatedFilters):
    order = IdFilter(Order, "order_id")
    status = django_filters.ChoiceFilter(choices=ChargeAttempt.Status.choices)
    gateway = TextFilter(max_length=32)


class ChargeList(generics.ListAPIView[ChargeAttempt]):
    """The charge attempts you may see, newest first."""

    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_chargeattempt"}
    serializer_class = ChargeSerializer
    filterset_class = ChargeFilter

    def get_queryset(self) -> QuerySet[ChargeAttempt]:
        return ChargeAttempt.objects.visible_to(self.request.user).select_related("order")


class ChargeDetail(generics.RetrieveAPIView[ChargeAttempt]):
    """A charge attempt: what was authorized, captured and given back, and with which card."""

    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_chargeattempt"}
    serializer_class = ChargeSerializer

    def get_object(self) -> ChargeAttempt:
        charges = ChargeAttempt.objects.visible_to(self.request.user).select_related("order")
        return find(charges, self.kwargs["charge_id"])


class SagaFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(choices=SagaExecution.State.choices)
    definition = TextFilter(max_length=32)


class SagaList(generics.ListAPIView[SagaExecution]):
    """The sagas you may see, newest first."""

    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_sagaexecution"}
    serializer_class = SagaSummarySerializer
    filterset_class = SagaFilter

    def get_queryset(self) -> QuerySet[SagaExecution]:
        return SagaExecution.objects.visible_to(self.request.user)


class SagaDetail(generics.RetrieveAPIView[SagaExecution]):
    """A saga with each of its steps, and its history."""

    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_sagaexecution"}
    serializer_class = SagaSerializer

    def get_object(self) -> SagaExecution:
        sagas = SagaExecution.objects.visible_to(self.request.user).select_related("order")
        return find(sagas.prefetch_related("steps", "events"), self.kwargs["saga_id"])
