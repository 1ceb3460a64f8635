"""Reading disputes: they are answered at the gateway, and the note of it is the operators'."""

from typing import ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework import generics, serializers

from orders.api.filters import CreatedFilters, IdFilter
from orders.api.requests import Permissions, find
from payments.models import ChargeAttempt, Dispute


class DisputeSerializer(serializers.ModelSerializer[Dispute]):
    """A payment that the customer's bank takes back; `amount` in minor units of `currency`."""

    id = serializers.CharField(source="public_id")
    charge = serializers.CharField(source="charge.public_id")
    amount = serializers.IntegerField(source="amount_minor")

    class Meta:
        model = Dispute
        fields = (
            "id", "charge", "status", "amount", "currency", "reason", "gateway_reference", "evidence_due_at",
            "answered_at", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class DisputeFilter(CreatedFilters):
    charge = IdFilter(ChargeAttempt, "charge_id")
    status = django_filters.ChoiceFilter(choices=Dispute.Status.choices)


class DisputeList(generics.ListAPIView[Dispute]):
    """The disputes you may see, newest first."""

    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_dispute"}
    serializer_class = DisputeSerializer
    filterset_class = DisputeFilter

    def get_queryset(self) -> QuerySet[Dispute]:
        return Dispute.objects.visible_to(self.request.user).select_related("charge")


class DisputeDetail(generics.RetrieveAPIView[Dispute]):
    """A dispute: how much, why, until when it can be answered, and how it ended."""

    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_dispute"}
    serializer_class = DisputeSerializer

    def get_object(self) -> Dispute:
        return find(Dispute.objects.visible_to(self.request.user).select_related("charge"), self.kwargs["dispute_id"])
