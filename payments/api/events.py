"""What happened to a client's objects: the same that its webhook endpoints are sent."""

from typing import ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework import generics, serializers

from orders.api.filters import CreatedFilters, TextFilter
from orders.api.requests import Permissions, find
from payments.models import ClientEvent
from payments.models.client_events import KINDS


class ClientEventSerializer(serializers.ModelSerializer[ClientEvent]):
    """An event; `data` is the object as it was then, in part."""

    id = serializers.CharField(source="public_id")
    type = serializers.ChoiceField(source="kind", choices=KINDS)
    object = serializers.CharField(source="subject")

    class Meta:
        model = ClientEvent
        fields = ("id", "type", "object", "data", "created_at")
        read_only_fields = fields


class EventFilter(CreatedFilters):
    type = django_filters.ChoiceFilter("kind", choices=[(kind, kind) for kind in KINDS])
    object = TextFilter("subject", max_length=64)


class EventList(generics.ListAPIView[ClientEvent]):
    """What happened to the objects you may see, newest first."""

    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_clientevent"}
    serializer_class = ClientEventSerializer
    filterset_class = EventFilter

    def get_queryset(self) -> QuerySet[ClientEvent]:
        return ClientEvent.objects.visible_to(self.request.user)


class EventDetail(generics.RetrieveAPIView[ClientEvent]):
    """One event. Its id is the `webhook-id` under which it is sent."""

    required_permissions: ClassVar[Permissions] = {"GET": "payments.view_clientevent"}
    serializer_class = ClientEventSerializer

    def get_object(self) -> ClientEvent:
        return find(ClientEvent.objects.visible_to(self.request.user), self.kwargs["event_id"])
