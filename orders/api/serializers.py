import re
from typing import Any

from babel import Locale
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from orders.api.strict import StrictCharField, StrictEmailField, StrictIntegerField, StrictSerializer
from orders.models import Order, OrderLine
from orders.money import MAX_AMOUNT_MINOR, currencies

MAX_QUANTITY = 100_000
MAX_LINES = 500
MAX_MEMBERS = 50
MAX_NAME = 64
_COUNTRIES = frozenset(filter(re.compile("[A-Z]{2}").fullmatch, map(str, Locale("en").territories))) - {"EU", "ZZ"}


class FreeObject(serializers.DictField):
    """A flat JSON object of the client's own making."""

    def to_internal_value(self, data: Any) -> dict[Any, Any]:
        value = super().to_internal_value(data)
        if len(value) > MAX_MEMBERS or any(len(name) > MAX_NAME for name in value):
            raise serializers.ValidationError(
                f"At most {MAX_MEMBERS} members, with names of at most {MAX_NAME} characters."
            )
        return value


class AddressField(FreeObject):
    """`country` is an ISO 3166 code; every other part of an address is text."""

    child = StrictCharField(max_length=200, allow_blank=True)

    def to_internal_value(self, data: Any) -> dict[Any, Any]:
        value = super().to_internal_value(data)
        if "country" in value and value["country"] not in _COUNTRIES:
            raise serializers.ValidationError({"country": ["An ISO 3166-1 alpha-2 code is expected."]})
        return value


@extend_schema_field({"oneOf": [{"type": "string", "maxLength": 500}, {"type": "number"}, {"type": "boolean"}]})
class ScalarField(serializers.Field[Any, Any, Any, Any]):
    """Text of at most 500 characters, a number, a boolean or null."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict | list) or (isinstance(data, str) and len(data) > 500):
            raise serializers.ValidationError("Text of at most 500 characters, a number, a boolean or null.")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class CustomerInput(StrictSerializer):
    """Whom the client sells to, by its own id."""

    id = StrictCharField(max_length=128)
    email = StrictEmailField(max_length=254)


class LineInput(StrictSerializer):
    """One item at the price agreed."""

    sku = StrictCharField(max_length=64)
    name = StrictCharField(max_length=200, required=False, allow_blank=True)
    quantity = StrictIntegerField(min_value=1, max_value=MAX_QUANTITY)
    unit_amount = StrictIntegerField(min_value=0, max_value=MAX_AMOUNT_MINOR)


EXAMPLE = {
    "reference": "web-1001",
    "currency": "USD",
    "customer": {"id": "cus_1", "email": "ada@example.com"},
    "lines": [{"sku": "TEE", "quantity": 2, "unit_amount": 2500}],
    "billing": {"country": "US", "postal_code": "10001"},
    "shipping": {"country": "US", "postal_code": "10001"},
}


@extend_schema_serializer(examples=[OpenApiExample("Two T-shirts", EXAMPLE, request_only=True)])
class OrderInput(StrictSerializer):
    """An order as a client places it; amounts in minor units."""

    reference = StrictCharField(max_length=64, required=False, allow_blank=True)
    currency = StrictCharField(max_length=3)
    customer = CustomerInput()
    lines = serializers.ListField(child=LineInput(), allow_empty=False, max_length=MAX_LINES)
    billing = AddressField(required=False)
    shipping = AddressField(required=False)
    metadata = FreeObject(child=ScalarField(allow_null=True), required=False)

    def validate_currency(self, value: str) -> str:
        if value not in currencies():
            raise serializers.ValidationError("An ISO 4217 code in capitals is expected.", code="unknown_currency")
        return value

    def validate_lines(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        total = sum(line["quantity"] * line["unit_amount"] for line in lines)
        if not 0 < total <= MAX_AMOUNT_MINOR:
            raise serializers.ValidationError("The lines have to add up to 1 to 2^63 - 1 minor units.", code="amount")
        return lines


class CustomerSerializer(serializers.Serializer[Order]):
    """Whom the client sells to."""

    id = serializers.CharField(source="customer_id")
    email = serializers.EmailField(source="customer_email")


class LineSerializer(serializers.ModelSerializer[OrderLine]):
    """One item at the price agreed."""

    sku = serializers.CharField()
    unit_amount = serializers.IntegerField(source="unit_amount_minor")

    class Meta:
        model = OrderLine
        fields = ("sku", "name", "quantity", "unit_amount")


class OrderSerializer(serializers.ModelSerializer[Order]):
    """An order as clients see it; amounts in minor units of `currency`."""

    id = serializers.CharField(source="public_id")
    amount = serializers.IntegerField(source="amount_minor")
    amount_paid = serializers.IntegerField(source="paid_minor")
    customer = CustomerSerializer(source="*")
    lines = LineSerializer(many=True)

    class Meta:
        model = Order
        fields = (
            "id", "reference", "status", "currency", "amount", "amount_paid", "customer", "lines", "billing",
            "shipping", "metadata", "cancel_requested_at", "created_at",
        )  # fmt: skip
        read_only_fields = fields
