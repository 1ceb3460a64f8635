from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from orders.api.serializers import OrderSerializer
from orders.api.strict import StrictCharField, StrictIPAddressField, StrictSerializer, StrictURLField
from payments.models import ChargeAttempt, Refund, SagaEvent, SagaExecution, SagaStep
from payments.redaction import redact


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
    """What happened to the saga beside its steps."""

    class Meta:
        model = SagaEvent
        fields = ("kind", "actor", "reason", "after", "created_at")
        read_only_fields = fields


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

    class Meta:
        model = SagaExecution
        fields = (*SagaSummarySerializer.Meta.fields, "order", "context", "finished_at", "steps", "events")
        read_only_fields = fields

    def get_context(self, saga: SagaExecution) -> dict[str, Any]:
        context: dict[str, Any] = redact(saga.context)
        return context


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
