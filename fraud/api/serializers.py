"""How decisions look on the wire, and the context a client may ask about."""

import re
from typing import Any

from django.core.validators import RegexValidator
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from fraud.facts import Context, Ruling, Stage
from fraud.models import Decision
from orders.api.serializers import AddressField
from orders.api.strict import (
    StrictCharField,
    StrictEmailField,
    StrictIntegerField,
    StrictIPAddressField,
    StrictSerializer,
)
from orders.ids import format_id, id_pattern
from orders.models import Order
from orders.money import MAX_AMOUNT_MINOR, currencies

COUNTRY = r"^[A-Z]{2}\Z"
VELOCITY_FACT = r"customer_attempts_[1-9][0-9]{0,5}s"


class VerdictSerializer(serializers.Serializer[Any]):
    """What one rule said."""

    rule = serializers.CharField(help_text="The rule's name.")
    decision = serializers.ChoiceField(choices=list(Ruling), help_text="What the rule asks for by itself.")
    reason = serializers.CharField(help_text="In plain words.")
    score = serializers.IntegerField(help_text="What it adds to the decision's score.")
    shadow = serializers.BooleanField(help_text="Recorded, and does not count.")


class DecisionSerializer(serializers.ModelSerializer[Decision]):
    """What one stage of screening decided about one checkout attempt, and why."""

    id = serializers.CharField(source="public_id", read_only=True)
    order = serializers.SerializerMethodField()
    verdicts = VerdictSerializer(many=True, read_only=True)

    class Meta:
        model = Decision
        fields = ("id", "order", "stage", "decision", "score", "ruleset_version", "verdicts", "created_at")
        read_only_fields = fields

    @extend_schema_field({"type": "string", "pattern": id_pattern(Order.PREFIX)})
    def get_order(self, decision: Decision) -> str:
        return format_id(Order.PREFIX, decision.order_id)


class EvaluationSerializer(serializers.Serializer[Any]):
    """The decision a checkout would get."""

    decision = serializers.ChoiceField(choices=list(Ruling))
    score = serializers.IntegerField()
    ruleset_version = serializers.IntegerField()
    verdicts = VerdictSerializer(many=True)


def text(**options: Any) -> StrictCharField:
    """A fact that may be missing, null or empty: not known in each case."""
    return StrictCharField(required=False, allow_null=True, allow_blank=True, **{"max_length": 255, **options})


class CustomerFacts(StrictSerializer):
    """What is known of the customer."""

    id = text(max_length=128)
    email = StrictEmailField(required=False, allow_null=True, max_length=254)


class CardFacts(StrictSerializer):
    """What is known of the card."""

    country = StrictCharField(
        required=False, allow_null=True, validators=[RegexValidator(COUNTRY)], help_text="ISO 3166-1 alpha-2."
    )
    brand = text()
    fingerprint = text()


EXAMPLE = {
    "amount": 250_000,
    "currency": "USD",
    "customer": {"id": "cus_1", "email": "ada@example.com"},
    "billing": {"country": "US"},
    "card": {"country": "DE"},
}


@extend_schema_serializer(examples=[OpenApiExample("A large order, a foreign card", EXAMPLE, request_only=True)])
class ContextSerializer(StrictSerializer):
    """Everything is optional: what is not known triggers nothing. Without a stage, the rules of both are asked."""

    stage = serializers.ChoiceField(choices=list(Stage), required=False, allow_null=True)
    amount = StrictIntegerField(required=False, min_value=1, max_value=MAX_AMOUNT_MINOR, help_text="In minor units.")
    currency = serializers.ChoiceField(choices=sorted(currencies()), required=False)
    customer = CustomerFacts(required=False)
    billing = AddressField(required=False)
    shipping = AddressField(required=False)
    card = CardFacts(required=False)
    customer_ip = StrictIPAddressField(required=False, allow_null=True)
    device_fingerprint = text()
    avs_result = text(max_length=32, help_text="`match`, `partial` or `mismatch`; anything else triggers nothing.")
    cvv_result = text(max_length=32, help_text="`match` or `mismatch`; anything else triggers nothing.")
    velocity = serializers.DictField(
        child=StrictIntegerField(min_value=0, max_value=MAX_AMOUNT_MINOR),
        required=False,
        help_text="Checkout attempts of the customer by window, such as `customer_attempts_3600s`.",
    )

    def validate_velocity(self, counts: dict[str, int]) -> dict[str, int]:
        """Refuse a misspelt name: it would be looked at by no rule."""
        unknown = [name for name in counts if not re.fullmatch(VELOCITY_FACT, name)]
        if unknown:
            raise serializers.ValidationError(f"Not a count by window: {', '.join(unknown)}.")
        return counts

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse an amount without its currency: it would be judged by no limit."""
        if "amount" in attrs and "currency" not in attrs:
            raise serializers.ValidationError({"currency": "An amount needs its currency."}, code="required")
        return attrs

    def as_context(self) -> Context:
        given = self.validated_data
        customer, card = given.get("customer", {}), given.get("card", {})
        facts = {
            "amount_minor": given.get("amount"),
            "currency": given.get("currency"),
            "customer_id": customer.get("id"),
            "email": customer.get("email"),
            "billing_country": given.get("billing", {}).get("country"),
            "shipping_country": given.get("shipping", {}).get("country"),
            "ip": given.get("customer_ip"),
            "device_fingerprint": given.get("device_fingerprint"),
            "card_country": card.get("country"),
            "card_brand": card.get("brand"),
            "card_fingerprint": card.get("fingerprint"),
            "avs_result": given.get("avs_result"),
            "cvv_result": given.get("cvv_result"),
            "velocity": given.get("velocity", {}),
        }
        stage = given.get("stage")
        return Context.of(stage and Stage(stage), facts)
