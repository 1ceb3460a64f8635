"""Addresses that do what the tests of the wiring need, beside the real ones."""

from typing import Any, ClassVar

import structlog
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.exceptions import Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.urls import handler400, handler403, handler404, handler500
from config.urls import urlpatterns as real
from orders.errors import DomainError, OutOfStock, UnknownSku
from payments import errors as payments

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

ERRORS: dict[str, Exception] = {
    "out_of_stock": OutOfStock("Only 1 LAST-ONE is left."),
    "unknown_sku": UnknownSku(),
    "card_declined": payments.CardDeclinedError(),
    "expired_card": payments.ExpiredCardError(),
    "fraud_blocked": payments.FraudBlockedError(),
    "network": payments.NetworkError(retry_after=2.4),
    "in_flight": payments.IdempotencyInFlightError(),
    "domain": DomainError("no"),
    "throttled": Throttled(wait=11.2),
    "operational": OperationalError("connection to server at 10.0.0.1 failed"),
    "interface": InterfaceError("connection already closed"),
    "not_found": Http404(),
    "denied": PermissionDenied(),
    "suspicious": SuspiciousOperation("odd"),
    "django_validation": DjangoValidationError({"amount": ["too small", "too odd"]}),
    "bug": RuntimeError("card 4242424242424242 broke it"),
}


class LineInput(serializers.Serializer[Any]):
    sku = serializers.CharField()
    quantity = serializers.IntegerField(min_value=1)


class OrderInput(serializers.Serializer[Any]):
    currency = serializers.CharField(max_length=3)
    lines = LineInput(many=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["currency"] == "XXX":
            raise serializers.ValidationError("No such money.", code="unknown_currency")
        return attrs


class Echo(APIView):
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        return Response({"query": request.query_params})

    def post(self, request: Request) -> Response:
        return Response({"data": request.data, "bytes": len(request._request.body)})


class Orders(APIView):
    permission_classes = (AllowAny,)

    def post(self, request: Request) -> Response:
        OrderInput(data=request.data).is_valid(raise_exception=True)
        return Response({})


class Failing(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request, name: str) -> Response:
        raise ERRORS[name]


class Users(APIView):
    """Reading needs a permission, writing two, and deleting was never allowed by name."""

    required_permissions: ClassVar = {"GET": "auth.view_user", "POST": ("auth.view_user", "auth.add_user")}

    def get(self, request: Request) -> Response:
        structlog.get_logger("test").info("users_listed")
        return Response({"user": request.user.get_username()})

    def post(self, request: Request) -> Response:
        return Response(status=201)

    def delete(self, request: Request) -> Response:
        return Response(status=204)


class Undeclared(APIView):
    def get(self, request: Request) -> Response:
        return Response({})


def broken(request: HttpRequest) -> HttpResponse:
    raise ERRORS[request.GET["error"]]


urlpatterns = [
    *real,
    path("v1/test/echo", Echo.as_view()),
    path("v1/reconciliation/reports", Echo.as_view()),
    path("v1/test/orders", Orders.as_view()),
    path("v1/test/failing/<name>", Failing.as_view()),
    path("v1/test/users", Users.as_view()),
    path("v1/test/undeclared", Undeclared.as_view()),
    path("v1/test/broken", broken),
    path("test/broken", broken),
]
