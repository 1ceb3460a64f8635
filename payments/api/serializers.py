from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from orders.api.serializers import OrderSerializer
from orders.api.strict import StrictCharField, StrictIPAddressField, StrictSerializer, StrictURLField
from payments.interventions import offers
from payments.interventions.standing import read
from payments.models import ChargeAttempt, Refund, SagaEvent, SagaExecution, SagaIntervention, SagaStep
from payments.redaction import redact

VIEW_INTERVENTION = "payments.view_sagaintervention"


@extend_schema_serializer(examples=[OpenApiExample("A card", {"payment_method": "tok_visa"}, request_only=True)])
class CheckoutInput(StrictSerializer):
    """How the customer pays. `payment_method` is the gateway's token; a card number is refused."""

    payment_method = StrictCharField(max_length=128)
    gateway = StrictCharField(max_length=32, required=False)
    customer_ip = StrictIPAddressField(required=False)
    device_fingerprint = StrictCharField(max_length=128, required=False)
    return_url = StrictURLField(max_length=2000, required=False)

    def validate_payment_method(self, value: str) -> str:
        if redact(value) != value:
            raise serializers.ValidationError("Send the gateway's token, never a card number.", code="card_number")
        return value


class CardSerializer(serializers.Serializer[ChargeAttempt]):
    """The card, as far as it may be shown."""

    brand = serializers.CharField(source="card_brand")
    last4 = serializers.CharField(source="card_last4")
    country = serializers.CharField(source="card_country")


class ChargeSerializer(serializers.ModelSerializer[ChargeAttempt]):
    """A charge attempt as clients see it; amounts in minor units of `currency`."""

    id = serializers.CharField(source="public_id")
    order = serializers.CharField(source="order.public_id")
    amount = serializers.IntegerField(source="amount_minor")
    amount_authorized = serializers.IntegerField(source="authorized_minor")
    amount_captured = serializers.IntegerField(source="captured_minor")
    amount_refunded = serializers.IntegerField(source="refunded_minor")
    card = CardSerializer(source="*")

    class Meta:
        model = ChargeAttempt
        fields = (
            "id", "order", "status", "currency", "amount", "amount_authorized", "amount_captured", "amount_refunded",
            "gateway", "gateway_reference", "card", "avs_result", "cvv_result", "decline_code",
            "authorization_expires_at", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class RefundSerializer(serializers.ModelSerializer[Refund]):
    """Money going back; `amount` in minor units of `currency`."""

    id = serializers.CharField(source="public_id")
    charge = serializers.CharField(source="charge.public_id")
    amount = serializers.IntegerField(source="amount_minor")

    class Meta:
        model = Refund
        fields = ("id", "charge", "status", "amount", "currency", "reason", "gateway_reference", "created_at")
        read_only_fields = fields


class StepSerializer(serializers.ModelSerializer[SagaStep]):
    """One step, in one direction, and how it ended."""

    class Meta:
        model = SagaStep
        fields = ("name", "direction", "state", "outcome", "attempts", "error", "started_at", "finished_at")
        read_only_fields = fields


class EventSerializer(serializers.ModelSerializer[SagaEvent]):
    """What happened to the saga beside its steps. Who did something and why is for those who may see such things."""

    class Meta:
        model = SagaEvent
        fields = ("kind", "actor", "reason", "after", "created_at")
        read_only_fields = fields

    def to_representation(self, event: SagaEvent) -> dict[str, Any]:
        told: dict[str, Any] = super().to_representation(event)
        if event.actor and not _may(self, VIEW_INTERVENTION):
            told |= {"actor": "", "reason": "", "after": {}}
        return told


class InterventionSerializer(serializers.ModelSerializer[SagaIntervention]):
    """What somebody did, or wants to do, about a saga."""

    id = serializers.CharField(source="public_id")
    saga = serializers.CharField(source="saga.public_id")
    requested_by = serializers.CharField(source="requested_by.username")
    decided_by = serializers.SerializerMethodField()
    arguments = serializers.SerializerMethodField()

    class Meta:
        model = SagaIntervention
        fields = (
            "id", "saga", "action", "arguments", "reason", "epoch", "is_forced", "needs_approval", "state",
            "requested_by", "decided_by", "decision_note", "created_at", "decided_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_decided_by(self, row: SagaIntervention) -> str | None:
        return row.decided_by.get_username() if row.decided_by else None

    def get_arguments(self, row: SagaIntervention) -> dict[str, Any]:
        arguments: dict[str, Any] = redact(row.arguments)
        return arguments


class OfferSerializer(serializers.Serializer[Any]):
    """What can be done now; `takes` are the members that go with it."""

    action = serializers.ChoiceField(source="name", choices=SagaIntervention.Action.choices)
    description = serializers.CharField(source="told")
    needs_approval = serializers.BooleanField()
    takes = serializers.ListField(child=serializers.CharField())


class SagaSummarySerializer(serializers.ModelSerializer[SagaExecution]):
    """How far a saga is."""

    id = serializers.CharField(source="public_id")

    class Meta:
        model = SagaExecution
        fields = ("id", "definition", "version", "state", "direction", "waiting_for", "failure", "created_at")
        read_only_fields = fields


class SagaSerializer(serializers.ModelSerializer[SagaExecution]):
    """A saga with each of its steps and its history."""

    id = serializers.CharField(source="public_id")
    order = serializers.CharField(source="order.public_id")
    context = serializers.SerializerMethodField()  # type: ignore[assignment]  # hides the serializer's own context
    steps = StepSerializer(many=True)
    events = EventSerializer(many=True)
    available_actions = serializers.SerializerMethodField()
    awaiting_approval = serializers.SerializerMethodField()

    class Meta:
        model = SagaExecution
        fields = (
            *SagaSummarySerializer.Meta.fields, "epoch", "is_paused", "order", "context", "finished_at", "steps",
            "events", "available_actions", "awaiting_approval",
        )  # fmt: skip
        read_only_fields = fields

    def get_context(self, saga: SagaExecution) -> dict[str, Any]:
        context: dict[str, Any] = redact(saga.context)
        return context

    @extend_schema_field(OfferSerializer(many=True))
    def get_available_actions(self, saga: SagaExecution) -> Any:
        """What whoever asks may do now; nothing for those who may not act."""
        if not any(_may(self, permission) for permission in offers.permissions()):
            return []
        possible = offers.possible(read(saga.pk), lambda permission: _may(self, permission))
        return OfferSerializer(possible, many=True).data

    @extend_schema_field(InterventionSerializer(allow_null=True))
    def get_awaiting_approval(self, saga: SagaExecution) -> Any:
        """What somebody has asked for, to those who may see it."""
        if not _may(self, VIEW_INTERVENTION):
            return None
        row = saga.interventions.awaiting().select_related("requested_by").first()
        return InterventionSerializer(row).data if row else None


def _may(serializer: "serializers.BaseSerializer[Any]", permission: str) -> bool:
    """Whether whoever asks has it; nobody asks for what is written down for later."""
    request = serializer.context.get("request")
    return request is not None and request.user.has_perm(permission)


class NextActionSerializer(serializers.Serializer[ChargeAttempt]):
    """What the customer has to do before the checkout can go on."""

    type = serializers.ChoiceField(choices=["redirect"])
    url = serializers.URLField()


class CheckoutSerializer(serializers.Serializer[Any]):
    """Where a checkout stands."""

    order = OrderSerializer()
    charge = ChargeSerializer(allow_null=True)
    saga = SagaSummarySerializer()
    next_action = NextActionSerializer(allow_null=True)
