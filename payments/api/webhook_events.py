"""What gateways told us, to be read; and acted on again."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import generics, serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from orders.api.filters import CreatedFilter, IdFilter, TextFilter
from orders.api.requests import Permissions, Refusals, client_of, find
from orders.api.strict import StrictBooleanField, StrictSerializer
from orders.errors import InvalidTransition
from orders.ids import format_id, id_pattern
from payments.api.answers import JSON
from payments.idempotency import Idempotency
from payments.models import ChargeAttempt, WebhookEvent
from payments.redaction import redact
from payments.webhooks import replay, words

_VIEW: Permissions = {"GET": "payments.view_webhookevent"}


class WebhookEventSummarySerializer(serializers.ModelSerializer[WebhookEvent]):
    """An event as it was received, without its body, and what became of it."""

    id = serializers.CharField(source="public_id", read_only=True)
    charge = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(source="received_at", help_text="When it was received.")

    class Meta:
        model = WebhookEvent
        fields: tuple[str, ...] = (
            "id", "gateway", "event_id", "kind", "status", "charge", "attempts", "error", "created_at", "processed_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": ["string", "null"], "pattern": id_pattern(ChargeAttempt.PREFIX)})
    def get_charge(self, event: WebhookEvent) -> str | None:
        return format_id(ChargeAttempt.PREFIX, event.charge_id) if event.charge_id else None


class WebhookEventSerializer(WebhookEventSummarySerializer):
    """An event with its body, and what became of it in plain words."""

    told = serializers.SerializerMethodField()
    body = serializers.SerializerMethodField()

    class Meta(WebhookEventSummarySerializer.Meta):
        fields = (*WebhookEventSummarySerializer.Meta.fields, "told", "body")
        read_only_fields = fields

    def get_told(self, event: WebhookEvent) -> str:
        """What became of it, in a sentence."""
        return words.became(event)

    def get_body(self, event: WebhookEvent) -> str:
        """As the gateway signed it, with card data masked."""
        return str(redact(event.body))


class ChangeSerializer(serializers.Serializer[Any]):
    """One row that is another afterwards; amounts in minor units of `currency`."""

    object = serializers.CharField(help_text="`event`, `charge`, `order`, `refund`, `outcome`, `posting` or `saga`.")
    id = serializers.CharField(allow_null=True, help_text="Null for what a dry run would have made.")
    before = serializers.DictField(allow_null=True, help_text="Null for what was not there.")
    after = serializers.DictField()


class ReplaySerializer(serializers.Serializer[Any]):
    """What acting on the event again has changed, or would change."""

    event = serializers.CharField()
    dry_run = serializers.BooleanField()
    status = serializers.ChoiceField(choices=WebhookEvent.Status.choices, help_text="The event's, afterwards.")
    changes = ChangeSerializer(many=True)
    summary = serializers.ListField(child=serializers.CharField(), help_text="The same in plain words.")


@extend_schema_serializer(examples=[OpenApiExample("See what it would change", {"dry_run": True}, request_only=True)])
class ReplayInput(StrictSerializer):
    """`dry_run` shows what a replay would change, and changes nothing."""

    dry_run = StrictBooleanField()


class WebhookEventFilter(django_filters.FilterSet):
    """`created_after` includes its moment, `created_before` does not; both are about when it was received."""

    gateway = TextFilter(max_length=32)
    status = django_filters.ChoiceFilter(choices=WebhookEvent.Status.choices)
    kind = TextFilter(max_length=100)
    charge = IdFilter(ChargeAttempt, "charge_id")
    created_after = CreatedFilter(is_end=False, field_name="received_at")
    created_before = CreatedFilter(is_end=True, field_name="received_at")


class WebhookEventList(generics.ListAPIView[WebhookEvent]):
    """The events that gateways have sent, newest first, without their bodies."""

    required_permissions: ClassVar[Permissions] = _VIEW
    serializer_class = WebhookEventSummarySerializer
    filterset_class = WebhookEventFilter

    def get_queryset(self) -> QuerySet[WebhookEvent]:
        return WebhookEvent.objects.visible_to(self.request.user).defer("body")


class WebhookEventDetail(generics.RetrieveAPIView[WebhookEvent]):
    """An event: what the gateway told, and what became of it."""

    required_permissions: ClassVar[Permissions] = _VIEW
    serializer_class = WebhookEventSerializer

    def get_object(self) -> WebhookEvent:
        return find(WebhookEvent.objects.visible_to(self.request.user), self.kwargs["webhook_event_id"])


class ReplayWebhookEvent(APIView):
    """Act on an archived event again, or see what that would change."""

    required_permissions: ClassVar[Permissions] = {"POST": replay.MAY_REPLAY}
    refusals: ClassVar[Refusals] = (InvalidTransition,)

    @extend_schema(request=ReplayInput, responses={200: ReplaySerializer})
    def post(self, request: Request, webhook_event_id: str) -> HttpResponse:
        """What is recorded already is recorded once: replaying an event twice changes nothing more."""
        given = ReplayInput(data=request.data)
        given.is_valid(raise_exception=True)
        event = find(WebhookEvent.objects.visible_to(request.user), webhook_event_id)
        is_dry_run: bool = given.validated_data["dry_run"]
        idempotency = Idempotency.of(request)
        earlier = idempotency.replay()
        if earlier is not None:
            return earlier
        with idempotency.first_commit() as first_use:
            done = replay.preview(event) if is_dry_run else replay.replay(event, by=client_of(request))
            told = ReplaySerializer({**done.as_data(), "dry_run": is_dry_run}).data
            return first_use.freeze(200, JSONRenderer().render(told), headers={"Content-Type": JSON})
