"""The intake: the signature is the credential, and the answer does not wait for what the event causes."""

from typing import ClassVar

from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from orders.api.requests import Refusals
from payments.errors import UnknownGatewayError, WebhookReplayError, WebhookSignatureError
from payments.webhooks import inbox


class Intake(APIView):
    """Take in one event, verified over its raw bytes."""

    authentication_classes = ()
    permission_classes = ()
    refusals: ClassVar[Refusals] = (WebhookSignatureError, WebhookReplayError)

    @extend_schema(request={"application/json": {"type": "object"}}, responses={200: {"type": "object"}})
    def post(self, request: Request, gateway: str) -> HttpResponse:
        try:
            inbox.receive(gateway, request.headers, request._request.body, now=timezone.now())
        except UnknownGatewayError as error:
            raise NotFound from error
        return JsonResponse({"received": True})
