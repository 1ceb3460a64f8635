"""Completes what drf-spectacular finds out about a view with what the wiring does to every request."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from django.core.validators import EmailValidator, RegexValidator
from django.db.models import JSONField, Model
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance
from rest_framework import serializers

from config import problems
from config.openapi import refusals
from config.openapi.refusals import Schema
from fraud.models import Decision
from orders.api.serializers import MAX_MEMBERS, MAX_NAME, AddressField, FreeObject
from orders.api.strict import StrictCharField, StrictSerializer
from orders.ids import TypedModel, id_pattern
from orders.models import Order
from payments import errors as payments
from payments.models import (
    ChargeAttempt,
    ClientEvent,
    Dispute,
    EventDelivery,
    Refund,
    SagaExecution,
    SagaIntervention,
    WebhookEndpoint,
    WebhookEvent,
)

PATH_IDS: Final[dict[str, type[TypedModel]]] = {
    "order_id": Order,
    "charge_id": ChargeAttempt,
    "refund_id": Refund,
    "dispute_id": Dispute,
    "saga_id": SagaExecution,
    "decision_id": Decision,
    "intervention_id": SagaIntervention,
    "webhook_event_id": WebhookEvent,
    "event_id": ClientEvent,
    "endpoint_id": WebhookEndpoint,
    "delivery_id": EventDelivery,
}
"""Whose id a part of an address is."""

KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A new one for each thing you want done. The same key with the same request gets the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*[!-~][ -~]*$"},
    "example": "7b1f1d0e-order-17",
}
PREFER: Final[Schema] = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async` answers 202 at once (RFC 7240).",
    "schema": {"type": "string"},
}

EVERYWHERE: Final = (
    problems.MALFORMED, problems.NOT_ACCEPTABLE, problems.TOO_MANY, problems.INTERNAL, problems.UNAVAILABLE,
)  # fmt: skip
WITH_TOKEN: Final = (problems.UNAUTHENTICATED, problems.FORBIDDEN)
WITH_BODY: Final = (problems.TOO_LARGE, problems.UNSUPPORTED, problems.INVALID)
WITH_KEY: Final = (
    payments.IdempotencyKeyMissingError, payments.IdempotencyKeyInvalidError, payments.IdempotencyConflictError,
    payments.IdempotencyInFlightError,
)  # fmt: skip


class ApiSchema(AutoSchema):
    """The default schema class of every view."""

    def get_operation(self, *arguments: Any, **options: Any) -> Schema | None:
        operation: Schema | None = super().get_operation(*arguments, **options)
        if operation is None:
            return None
        operation["parameters"] = [*operation.get("parameters", []), *self._headers(operation)]
        for status, answer in operation["responses"].items():
            self._complete(status, answer)
        errors = getattr(self.view, "refusals", ()) if self.method == "POST" else ()
        endings = [problems.kind_of_domain_error(error) for error in errors]
        operation["responses"] |= refusals.responses(self._kinds(operation), endings=endings)
        return operation

    @property
    def takes_key(self) -> bool:
        """Every POST of somebody who has a token, but those that change nothing."""
        return self.method == "POST" and self.needs_token and not getattr(self.view, "changes_nothing", False)

    @property
    def needs_token(self) -> bool:
        return bool(self.view.get_authenticators())

    def _headers(self, operation: Schema) -> Iterator[Schema]:
        if self.takes_key:
            yield KEY
        if "202" in operation["responses"]:
            yield PREFER

    def _complete(self, status: str, answer: Schema) -> None:
        answer["description"] = answer["description"] or HTTPStatus(int(status)).phrase
        names = ["X-Request-ID"]
        if self.takes_key:
            names.append("Idempotent-Replayed")
            names += ["Location"] if status in ("201", "202") else []
        answer["headers"] = {name: refusals.header(name) for name in names}

    def _kinds(self, operation: Schema) -> Iterator[problems.Kind]:
        yield from EVERYWHERE
        if self.needs_token:
            yield from WITH_TOKEN
        if "{" in self.path:
            yield problems.NOT_FOUND
        if "{endpoint_id}" in self.path:
            yield problems.kind_of_domain_error(payments.EndpointDeletedError)
        if "requestBody" in operation:
            yield from WITH_BODY
        if self._is_list_view():
            yield problems.INVALID
        if self.takes_key:
            yield from map(problems.kind_of_domain_error, WITH_KEY)

    def _resolve_path_parameters(self, variables: list[str]) -> list[Schema]:
        parameters: list[Schema] = super()._resolve_path_parameters(variables)  # type: ignore[no-untyped-call]
        for parameter in parameters:
            if model := PATH_IDS.get(parameter["name"]):
                parameter["schema"] = {**parameter["schema"], "pattern": id_pattern(model.PREFIX)}
                parameter["description"] = f"An id that begins with `{model.PREFIX}_`."
        return parameters

    def _map_serializer(self, serializer: Any, direction: str, bypass_extensions: bool = False) -> Schema:
        schema: Schema = super()._map_serializer(serializer, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        is_strict = isinstance(force_instance(serializer), StrictSerializer)
        return {**schema, "additionalProperties": False} if is_strict else schema

    def _map_serializer_field(self, field: Any, direction: str, bypass_extensions: bool = False) -> Schema | None:
        schema: Schema | None = super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        if schema is None:
            return None
        return {**schema, **(_known_of_input(field) if direction == "request" else _known_of_answer(field, schema))}


_FREE: Final[Schema] = {"maxProperties": MAX_MEMBERS, "propertyNames": {"maxLength": MAX_NAME}}


def _known_of_input(field: Any) -> Schema:
    """What the field's own class checks beyond what drf-spectacular knows of it."""
    if isinstance(field, AddressField):
        return {**_FREE, "properties": {"country": {"type": "string", "pattern": "^[A-Z]{2}$"}}}
    if isinstance(field, FreeObject):
        return _FREE
    if isinstance(field, serializers.ListField) and not field.allow_empty:
        return {"minItems": 1}
    if isinstance(field, serializers.IPAddressField):
        return {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
    if isinstance(field, StrictCharField) and not field.allow_blank and not _has_pattern(field):
        return {"pattern": r"\S"}
    return {}


def _has_pattern(field: Any) -> bool:
    return any(isinstance(validator, RegexValidator | EmailValidator) for validator in field.validators)


def _known_of_answer(field: Any, schema: Schema) -> Schema:
    """What the model says of a field that is only read."""
    if isinstance(field, serializers.IntegerField):
        return {"format": "int64"}
    model = _model_of(field)
    if model is None:
        return {}
    if isinstance(field, serializers.CharField) and str(field.source).endswith("public_id"):
        owner = _follow(model, str(field.source).split(".")[:-1])
        return {"pattern": id_pattern(owner.PREFIX)}
    if isinstance(field, serializers.ChoiceField | serializers.JSONField):
        *path, name = str(field.source).split(".")
        return _known_of_column(_follow(model, path)._meta.get_field(name), schema)
    return {}


def _known_of_column(column: Any, schema: Schema) -> Schema:
    if column.choices and column.blank:
        return {"enum": [*schema["enum"], ""]}
    return {"type": "object"} if isinstance(column, JSONField) and column.default is dict else {}


def _model_of(field: Any) -> type[Model] | None:
    found: type[Model] | None = getattr(getattr(field.parent, "Meta", None), "model", None)
    return found


def _follow(model: Any, names: list[str]) -> type[TypedModel]:
    for name in names:
        model = model._meta.get_field(name).related_model
    found: type[TypedModel] = model
    return found
