"""What was sent to an endpoint and how it was taken; sending once more."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from orders.api.requests import Permissions, Refusals, find
from orders.api.strict import NothingInput
from orders.errors import InvalidTransition
from payments.api.answers import JSON
from payments.api.endpoints import visible_endpoint
from payments.events import endpoints
from payments.idempotency import Idempotency
from payments.models import EventDelivery
from payments.models.client_events import KINDS


class DeliverySerializer(serializers.ModelSerializer[EventDelivery]):
    """One event on its way to one endpoint. `answer` is how the receiver's last answer began, secrets masked."""

    id = serializers.CharField(source="public_id")
    event = serializers.CharField(source="event.public_id")
    type = serializers.ChoiceField(source="event.kind", choices=KINDS)
    endpoint = serializers.CharField(source="endpoint.public_id")
    status = serializers.ChoiceField(source="state", choices=EventDelivery.State.choices)
    http_status = serializers.IntegerField(source="status", allow_null=True)
    next_attempt_at = serializers.SerializerMethodField()

    class Meta:
        model = EventDelivery
        fields = (
            "id", "event", "type", "endpoint", "status", "attempts", "http_status", "milliseconds", "error", "answer",
            "created_at", "last_attempt_at", "next_attempt_at", "delivered_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_next_attempt_at(self, delivery: EventDelivery) -> datetime | None:
        return delivery.next_attempt_at if delivery.state == EventDelivery.State.PENDING else None


class DeliveryFilter(django_filters.FilterSet):
    status = django_filters.ChoiceFilter("state", choices=EventDelivery.State.choices)


class DeliveryList(generics.ListAPIView[EventDelivery]):
    """What was sent, or is to be sent, to one endpoint; newest first."""

    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_eventdelivery"}
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter
    queryset = EventDelivery.objects.none()

    def get_queryset(self) -> QuerySet[EventDelivery]:
        return _deliveries(self.request, self.kwargs["endpoint_id"])


class DeliveryDetail(generics.RetrieveAPIView[EventDelivery]):
    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_eventdelivery"}
    serializer_class = DeliverySerializer

    def get_object(self) -> EventDelivery:
        return find(_deliveries(self.request, self.kwargs["endpoint_id"]), self.kwargs["delivery_id"])


class SendTest(APIView):
    """Send the endpoint an event `webhook.test`, whatever it asks for."""

    required_permissions: ClassVar[Permissions] = {"POST": "payments.test_webhook_endpoint"}
    refusals: ClassVar[Refusals] = (InvalidTransition,)

    @extend_schema(request=NothingInput, responses={201: DeliverySerializer})
    def post(self, request: Request, endpoint_id: str) -> HttpResponse:
        NothingInput(data=request.data).is_valid(raise_exception=True)
        endpoint = visible_endpoint(request, endpoint_id)
        return _once(request, lambda: endpoints.send_test(endpoint), status=201)


class Resend(APIView):
    """Send an event again under its id, whatever became of it before."""

    required_permissions: ClassVar[Permissions] = {"POST": "payments.resend_event"}
    refusals: ClassVar[Refusals] = (InvalidTransition,)

    @extend_schema(request=NothingInput, responses={200: DeliverySerializer})
    def post(self, request: Request, endpoint_id: str, delivery_id: str) -> HttpResponse:
        NothingInput(data=request.data).is_valid(raise_exception=True)
        delivery = find(_deliveries(request, endpoint_id), delivery_id)

        def resend() -> EventDelivery:
            endpoints.resend(delivery)
            return delivery

        return _once(request, resend, status=200)


def _deliveries(request: Request, endpoint_id: str) -> QuerySet[EventDelivery]:
    endpoint = visible_endpoint(request, endpoint_id)
    return EventDelivery.objects.filter(endpoint=endpoint).select_related("event", "endpoint")


def _once(request: Request, act: Callable[[], EventDelivery], *, status: int) -> HttpResponse:
    idempotency = Idempotency.of(request)
    replay = idempotency.replay()
    if replay is not None:
        return replay
    with idempotency.first_commit() as first_use:
        delivery = act()
        headers = {"Content-Type": JSON}
        if status == 201:
            page = f"/v1/webhook-endpoints/{delivery.endpoint.public_id}/deliveries/{delivery.public_id}"
            headers["Location"] = page
        body = JSONRenderer().render(DeliverySerializer(delivery).data)
        return first_use.freeze(status, body, headers=headers)
