"""Where a client wants its events sent.

A secret is in the answer that makes it, and in no other. What is kept of that answer for its idempotency key names the
secret by its id; only what leaves the house has the secret itself, for as long as it is valid.
"""

import json
import re
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import generics, serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orders.api.requests import Permissions, Refusals, client_of, find
from orders.api.strict import StrictBooleanField, StrictIntegerField, StrictSerializer, StrictURLField
from orders.ids import parse_id
from payments.api.answers import JSON
from payments.errors import EndpointDeletedError, TooManyEndpointsError
from payments.events import endpoints
from payments.idempotency import Idempotency
from payments.models import WebhookEndpoint, WebhookSecret
from payments.models.client_events import PATTERNS
from payments.outbound.addresses import LONGEST
from payments.outbound.client import AddressRefusedError, require_callable

MOST_OVERLAP_HOURS: Final = 7 * 24
_SECRET: Final = re.compile(rb'"secret":"(whs_[0-9a-z]{26})"')


class EndpointChange(StrictSerializer):
    """What is given is changed. `events` are types, or all of an object such as `charge.*`; an empty list is all."""

    url = StrictURLField(max_length=LONGEST, required=False)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=PATTERNS), max_length=len(PATTERNS), required=False
    )
    enabled = StrictBooleanField(required=False)

    def validate_url(self, value: str) -> str:
        try:
            require_callable(value)
        except AddressRefusedError as error:
            raise serializers.ValidationError(str(error), code="address") from error
        return value


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Payments alone",
            {"url": "https://shop.example.com/hooks/paydesk", "events": ["charge.*", "refund.*"]},
            request_only=True,
        )
    ]
)
class EndpointInput(EndpointChange):
    """An https address on a public network. `events` are types, or all of an object such as `charge.*`."""

    url = StrictURLField(max_length=LONGEST)
    enabled = None  # type: ignore[assignment]  # a new one is


class RotationInput(StrictSerializer):
    """For how many hours the secret so far goes on being valid; 24 unless given."""

    overlap_hours = StrictIntegerField(min_value=0, max_value=MOST_OVERLAP_HOURS, required=False)


class EndpointSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    """An endpoint; `disabled_reason` is `failing` or `gone` where Paydesk has disabled it by itself."""

    id = serializers.CharField(source="public_id")
    events = serializers.ListField(source="kinds", child=serializers.CharField())
    status = serializers.ChoiceField(source="state", choices=WebhookEndpoint.State.choices)

    class Meta:
        model = WebhookEndpoint
        fields = ("id", "url", "events", "status", "disabled_reason", "disabled_at", "created_at")
        read_only_fields = fields


class EndpointWithSecretSerializer(EndpointSerializer):
    """An endpoint and the new secret that its messages are signed with; it is shown in this answer alone."""

    secret = serializers.SerializerMethodField()

    class Meta:
        model = WebhookEndpoint
        fields = (*EndpointSerializer.Meta.fields, "secret")
        read_only_fields = fields

    def get_secret(self, endpoint: WebhookEndpoint) -> str | None:
        """By its id: what is rendered here is also what is kept."""
        found: WebhookSecret = self.context["secret"]
        return found.public_id


class EndpointList(generics.ListAPIView[WebhookEndpoint]):
    """Your webhook endpoints, newest first."""

    required_permissions: ClassVar[Permissions] = {
        "GET": "payments.view_webhookendpoint",
        "POST": "payments.add_webhookendpoint",
    }
    refusals: ClassVar[Refusals] = (TooManyEndpointsError,)
    serializer_class = EndpointSerializer

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        return WebhookEndpoint.objects.visible_to(self.request.user).undeleted()

    @extend_schema(request=EndpointInput, responses={201: EndpointWithSecretSerializer})
    def post(self, request: Request) -> HttpResponse:
        """Have events sent to an address. The secret is in this answer alone, and in its replays while it is valid."""
        given = _validated(EndpointInput, request)
        idempotency = Idempotency.of(request)
        replay = idempotency.replay()
        if replay is not None:
            return _revealed(replay)
        with idempotency.first_commit() as first_use:
            made = endpoints.create(client_of(request), url=given["url"], kinds=given.get("events", ()))
            headers = {"Content-Type": JSON, "Location": f"/v1/webhook-endpoints/{made[0].public_id}"}
            answer = first_use.freeze(201, _body(*made), headers=headers)
        return _revealed(answer)


class EndpointDetail(APIView):
    """One endpoint."""

    required_permissions: ClassVar[Permissions] = {
        "GET": "payments.view_webhookendpoint",
        "PATCH": "payments.change_webhookendpoint",
        "DELETE": "payments.delete_webhookendpoint",
    }

    @extend_schema(responses={200: EndpointSerializer})
    def get(self, request: Request, endpoint_id: str) -> Response:
        return Response(EndpointSerializer(visible_endpoint(request, endpoint_id)).data)

    @extend_schema(request=EndpointChange, responses={200: EndpointSerializer})
    def patch(self, request: Request, endpoint_id: str) -> Response:
        """Change where events are sent, which, and whether. What is enabled again gets what happens from then on."""
        given = _validated(EndpointChange, request)
        with transaction.atomic():
            endpoint = visible_endpoint(request, endpoint_id, is_locked=True)
            names = {"url": "url", "events": "kinds"}
            endpoints.change(endpoint, **{names[name]: given[name] for name in names if name in given})
            _switch(endpoint, given.get("enabled"))
        return Response(EndpointSerializer(endpoint).data)

    @extend_schema(responses={200: EndpointSerializer})
    def delete(self, request: Request, endpoint_id: str) -> Response:
        """Send nothing there any more, for good; its secrets are forgotten."""
        with transaction.atomic():
            endpoint = visible_endpoint(request, endpoint_id, is_locked=True)
            endpoints.delete(endpoint)
        return Response(EndpointSerializer(endpoint).data)


class RotateSecret(APIView):
    """Give an endpoint a new secret. Until the one so far has expired, messages are signed with both."""

    required_permissions: ClassVar[Permissions] = {"POST": "payments.rotate_webhook_secret"}

    @extend_schema(request=RotationInput, responses={200: EndpointWithSecretSerializer})
    def post(self, request: Request, endpoint_id: str) -> HttpResponse:
        hours = _validated(RotationInput, request).get("overlap_hours", endpoints.OVERLAP_HOURS)
        endpoint = visible_endpoint(request, endpoint_id)
        idempotency = Idempotency.of(request)
        replay = idempotency.replay()
        if replay is not None:
            return _revealed(replay)
        with idempotency.first_commit() as first_use:
            secret = endpoints.rotate_secret(endpoint, overlap=timedelta(hours=hours))
            answer = first_use.freeze(200, _body(endpoint, secret), headers={"Content-Type": JSON})
        return _revealed(answer)


def visible_endpoint(request: Request, endpoint_id: str, *, is_locked: bool = False) -> WebhookEndpoint:
    """Raise NotFound also for another client's, EndpointDeletedError for one's own that is no more."""
    rows = WebhookEndpoint.objects.visible_to(request.user)
    endpoint = find(rows.select_for_update() if is_locked else rows, endpoint_id)
    if endpoint.state == WebhookEndpoint.State.DELETED:
        raise EndpointDeletedError
    return endpoint


def _switch(endpoint: WebhookEndpoint, enabled: bool | None) -> None:
    is_enabled = endpoint.state == WebhookEndpoint.State.ENABLED
    if enabled is not None and enabled != is_enabled:
        (endpoints.enable if enabled else endpoints.disable)(endpoint)


def _validated(serializer: type[StrictSerializer], request: Request) -> dict[str, Any]:
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    data: dict[str, Any] = given.validated_data
    return data


def _body(endpoint: WebhookEndpoint, secret: WebhookSecret) -> bytes:
    return JSONRenderer().render(EndpointWithSecretSerializer(endpoint, context={"secret": secret}).data)


def _revealed(answer: HttpResponse) -> HttpResponse:
    """The answer with the secret in the place of its id; with none once it is not valid any more."""
    named = _SECRET.search(answer.content)
    if named is None:
        return answer
    row_id = parse_id(WebhookSecret.PREFIX, named[1].decode())
    valid = WebhookSecret.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()))
    secret = valid.filter(pk=row_id).first() if row_id else None
    shown = json.dumps(secret.key if secret else None).encode()
    body = answer.content[: named.start()] + b'"secret":' + shown + answer.content[named.end() :]
    return HttpResponse(body, status=answer.status_code, headers=dict(answer.headers))
