"""Checking out, and reading what became of it."""

from typing import ClassVar

import django_filters
from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.views import APIView

from orders.api.requests import Permissions, find
from orders.api.views import visible_order
from orders.ids import parse_id
from orders.models import Order
from payments import services
from payments.api import answers
from payments.api.serializers import (
    ChargeSerializer,
    CheckoutInput,
    CheckoutSerializer,
    SagaSerializer,
    SagaSummarySerializer,
)
from payments.idempotency import Idempotency, frozen_response
from payments.models import ChargeAttempt, IdempotencyKey, SagaExecution


class Checkout(APIView):
    """Pay for an order: reserve, screen, authorize, capture and ship it."""

    required_permissions: ClassVar[Permissions] = {"POST": "payments.add_chargeattempt"}

    @extend_schema(request=CheckoutInput, responses={201: CheckoutSerializer, 202: CheckoutSerializer})
    def post(self, request: Request, order_id: str) -> HttpResponse:
        payment = _payment(request)
        order = visible_order(request, order_id)
        idempotency = Idempotency.of(request)
        key = idempotency.recall()
        if key is not None:
            return _replay(key)
        services.require_payable_with(payment)
        is_inline = not _prefers_async(request)
        with idempotency.first_commit() as first_use:
            run = services.start_checkout(order, payment, key=first_use.row, is_inline=is_inline)
        if not is_inline:
            services.nudge(run.saga)
            return answers.pending(order, None, run.saga)
        services.carry_on(run)
        if run.answer is not None:
            return run.answer
        return answers.present_answer(run.saga.pk, is_replay=False)


def _payment(request: Request) -> services.Payment:
    serializer = CheckoutInput(data=request.data)
    serializer.is_valid(raise_exception=True)
    return services.Payment(**{"gateway": settings.DEFAULT_GATEWAY, **serializer.validated_data})


def _prefers_async(request: Request) -> bool:
    """`Prefer: respond-async` (RFC 7240)."""
    preferences = request.headers.get("Prefer", "").split(",")
    return any(preference.split(";")[0].strip().lower() == "respond-async" for preference in preferences)


def _replay(key: IdempotencyKey) -> HttpResponse:
    """The frozen answer; else attach to the saga the key began, should nobody be carrying it on."""
    if key.is_frozen:
        return frozen_response(key)
    services.attach(key.saga)
    return answers.present_answer(key.saga.pk, is_replay=True)


class ChargeFilter(django_filters.FilterSet):
    order = django_filters.CharFilter(method="of_order")
    status = django_filters.ChoiceFilter(choices=ChargeAttempt.Status.choices)
    gateway = django_filters.CharFilter()
    created_after = django_filters.IsoDateTimeFilter("created_at", "gte")
    created_before = django_filters.IsoDateTimeFilter("created_at", "lt")

    class Meta:
        model = ChargeAttempt
        fields: ClassVar[list[str]] = []

    def of_order(self, charges: QuerySet[ChargeAttempt], _name: str, value: str) -> QuerySet[ChargeAttempt]:
        order_id = parse_id(Order.PREFIX, value)
        return charges.none() if order_id is None else charges.filter(order_id=order_id)


class ChargeList(generics.ListAPIView[ChargeAttempt]):
    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_chargeattempt"}
    serializer_class = ChargeSerializer
    filterset_class = ChargeFilter

    def get_queryset(self) -> QuerySet[ChargeAttempt]:
        return ChargeAttempt.objects.visible_to(self.request.user).select_related("order")


class ChargeDetail(generics.RetrieveAPIView[ChargeAttempt]):
    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_chargeattempt"}
    serializer_class = ChargeSerializer

    def get_object(self) -> ChargeAttempt:
        charges = ChargeAttempt.objects.visible_to(self.request.user).select_related("order")
        return find(charges, self.kwargs["charge_id"])


class SagaFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(choices=SagaExecution.State.choices)
    definition = django_filters.CharFilter()

    class Meta:
        model = SagaExecution
        fields: ClassVar[list[str]] = []


class SagaList(generics.ListAPIView[SagaExecution]):
    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_sagaexecution"}
    serializer_class = SagaSummarySerializer
    filterset_class = SagaFilter

    def get_queryset(self) -> QuerySet[SagaExecution]:
        return SagaExecution.objects.visible_to(self.request.user)


class SagaDetail(generics.RetrieveAPIView[SagaExecution]):
    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_sagaexecution"}
    serializer_class = SagaSerializer

    def get_object(self) -> SagaExecution:
        sagas = SagaExecution.objects.visible_to(self.request.user).select_related("order")
        return find(sagas.prefetch_related("steps", "events"), self.kwargs["saga_id"])
