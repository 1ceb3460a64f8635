"""Giving money back on request, and reading what became of it."""

from typing import ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.views import APIView

from orders.api.filters import CreatedFilters, IdFilter
from orders.api.requests import Permissions, Refusals, find
from orders.api.strict import StrictCharField, StrictIntegerField, StrictSerializer
from orders.money import MAX_AMOUNT_MINOR
from payments import errors, services
from payments.api.inline import run_once
from payments.api.serializers import RefundSerializer
from payments.models import ChargeAttempt, IdempotencyKey, Refund
from payments.sagas.run import Run


@extend_schema_serializer(
    examples=[OpenApiExample("A part", {"amount": 500, "reason": "Came back broken."}, request_only=True)]
)
class RefundInput(StrictSerializer):
    """`amount` in the charge's minor unit; all that is left when it is not given."""

    amount = StrictIntegerField(min_value=1, max_value=MAX_AMOUNT_MINOR, required=False)
    reason = StrictCharField(max_length=200)


class ChargeRefunds(APIView):
    """Give part or all of a charge back, once or several times until nothing is left."""

    required_permissions: ClassVar[Permissions] = {"POST": "payments.add_refund"}
    refusals: ClassVar[Refusals] = (
        errors.CheckoutOpenError,
        errors.RefundExceedsCapturedError,
        errors.ChargeDisputedError,
        errors.RefundRefusedError,
        errors.GatewayUnavailableError,
    )

    @extend_schema(request=RefundInput, responses={201: RefundSerializer, 202: RefundSerializer})
    def post(self, request: Request, charge_id: str) -> HttpResponse:
        given = RefundInput(data=request.data)
        given.is_valid(raise_exception=True)
        charge = find(ChargeAttempt.objects.visible_to(request.user), charge_id)
        amount, reason = given.validated_data.get("amount"), given.validated_data["reason"]

        def start(key: IdempotencyKey, is_inline: bool) -> Run:
            return services.start_refund(charge, amount_minor=amount, reason=reason, key=key, is_inline=is_inline)

        return run_once(request, start)


class RefundFilter(CreatedFilters):
    charge = IdFilter(ChargeAttempt, "charge_id")
    status = django_filters.ChoiceFilter(choices=Refund.Status.choices)


class RefundList(generics.ListAPIView[Refund]):
    """The refunds you may see, newest first."""

    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_refund"}
    serializer_class = RefundSerializer
    filterset_class = RefundFilter

    def get_queryset(self) -> QuerySet[Refund]:
        return Refund.objects.visible_to(self.request.user).select_related("charge")


class RefundDetail(generics.RetrieveAPIView[Refund]):
    """A refund, and what became of it."""

    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_refund"}
    serializer_class = RefundSerializer

    def get_object(self) -> Refund:
        return find(Refund.objects.visible_to(self.request.user).select_related("charge"), self.kwargs["refund_id"])
