"""The one table from what goes wrong to the answer a client gets: problem details for HTTP APIs (RFC 9457)."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import django_redis.exceptions
import redis.exceptions
import structlog
from django.core import exceptions as django_errors
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, UnreadablePostError
from rest_framework import exceptions as drf

from orders import errors as orders
from payments import errors as payments

DOCUMENTATION: Final = "/v1/docs/errors"
INVALID_CREDENTIALS: Final = "Invalid credentials"

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a `code` stands for."""

    status: int
    code: str
    title: str
    retriable: bool = False


MALFORMED: Final = Kind(400, "malformed", "The request cannot be read.")
UNAUTHENTICATED: Final = Kind(401, "unauthenticated", "A valid token is needed.")
FORBIDDEN: Final = Kind(403, "permission_denied", "The token's user may not do this.")
NOT_FOUND: Final = Kind(404, "not_found", "There is no such object for this client.")
METHOD_NOT_ALLOWED: Final = Kind(405, "method_not_allowed", "This address does not know this method.")
NOT_ACCEPTABLE: Final = Kind(406, "not_acceptable", "Answers are JSON only.")
TOO_LARGE: Final = Kind(413, "too_large", "The body is too large.")
UNSUPPORTED: Final = Kind(415, "unsupported_media_type", "The body has to be application/json.")
INVALID: Final = Kind(422, "validation_failed", "Some fields are not valid.")
TOO_MANY: Final = Kind(429, "too_many_requests", "Too many requests.", retriable=True)
INTERNAL: Final = Kind(500, "internal_error", "Something went wrong here; it was logged.", retriable=True)
UNAVAILABLE: Final = Kind(503, "unavailable", "A part this needs cannot be reached right now.", retriable=True)

STATUS: Final[Mapping[type[orders.DomainError], int]] = {
    orders.DomainError: 409,
    orders.UnknownSku: 422,
    payments.CardDeclinedError: 402,
    payments.AuthorizationExpiredError: 402,
    payments.CardTestingSuspectedError: 429,
    payments.EndpointDeletedError: 410,
    payments.FraudBlockedError: 402,
    payments.InvalidContextError: 422,
    payments.InvalidRequestError: 422,
    payments.UnknownGatewayError: 422,
    payments.NeverSentError: 502,
    payments.GatewayTimeoutError: 502,
    payments.GatewayUnavailableError: 502,
    payments.UnexpectedOutcomeError: 502,
    payments.SagaCompensationError: 502,
    payments.IdempotencyKeyMissingError: 400,
    payments.IdempotencyKeyInvalidError: 400,
    payments.IdempotencyConflictError: 422,
    payments.WebhookSignatureError: 400,
    payments.WebhookReplayError: 400,
}
"""A domain error's status is that of the nearest class listed here among its bases."""

KINDS: Final[Mapping[type[Exception], Kind]] = {
    drf.ParseError: MALFORMED,
    drf.NotAuthenticated: UNAUTHENTICATED,
    drf.AuthenticationFailed: UNAUTHENTICATED,
    drf.PermissionDenied: FORBIDDEN,
    drf.NotFound: NOT_FOUND,
    drf.MethodNotAllowed: METHOD_NOT_ALLOWED,
    drf.NotAcceptable: NOT_ACCEPTABLE,
    drf.UnsupportedMediaType: UNSUPPORTED,
    drf.ValidationError: INVALID,
    drf.Throttled: TOO_MANY,
    Http404: NOT_FOUND,
    django_errors.PermissionDenied: FORBIDDEN,
    django_errors.ValidationError: INVALID,
    django_errors.RequestDataTooBig: TOO_LARGE,
    django_errors.SuspiciousOperation: MALFORMED,
    django_errors.BadRequest: MALFORMED,
    UnreadablePostError: MALFORMED,  # the client went away in the middle of its body
    OperationalError: UNAVAILABLE,
    InterfaceError: UNAVAILABLE,
    redis.exceptions.ConnectionError: UNAVAILABLE,
    redis.exceptions.TimeoutError: UNAVAILABLE,
    django_redis.exceptions.ConnectionInterrupted: UNAVAILABLE,
}
"""The same for what frameworks and drivers raise."""


def exception_handler(error: Exception, _context: Mapping[str, Any]) -> HttpResponse | None:
    """Django REST framework's; None makes an unforeseen error a logged 500."""
    kind = kind_of(error)
    if kind is None:
        return None
    return problem(kind, _detail(error, kind), errors=_errors(error), headers=_headers(error, kind))


def problem(
    kind: Kind,
    detail: str = "",
    *,
    errors: list[dict[str, str]] | None = None,
    headers: Headers | None = None,
    extensions: Mapping[str, str] | None = None,
) -> HttpResponse:
    """An answer of this kind; `errors` are the faulty fields, `extensions` further members (RFC 9457, 3.2)."""
    body: dict[str, Any] = {
        "type": f"{DOCUMENTATION}#{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail or kind.title,
        "code": kind.code,
        "retriable": kind.retriable,
        "request_id": structlog.contextvars.get_contextvars().get("request_id", ""),
        **(extensions or {}),
    }
    if errors is not None:
        body["errors"] = errors
    return HttpResponse(json.dumps(body), "application/problem+json", kind.status, headers=dict(headers or {}))


def kind_of(error: BaseException) -> Kind | None:
    """The kind of an error, by its own class first and then by its bases; None for one that is not foreseen."""
    if isinstance(error, orders.DomainError):
        return kind_of_domain_error(type(error))
    return next((KINDS[base] for base in type(error).__mro__ if base in KINDS), _other_api_error(error))


def kind_of_domain_error(cls: type[orders.DomainError]) -> Kind:
    status = next(STATUS[base] for base in cls.__mro__ if base in STATUS)
    title = (cls.__doc__ or "").strip().splitlines()[0]
    return Kind(status, cls.code, title, cls.retriable)


@cache
def kind_of_code(code: str) -> Kind:
    """The kind that goes by this code; raise KeyError when there is none."""
    return {kind.code: kind for kind in every_kind()}[code]


def every_kind() -> list[Kind]:
    """All the kinds there are, by status and code; where classes share a code, that of the last to declare it."""
    declared = (cls for cls in _descendants(orders.DomainError) if "code" in vars(cls))
    domain = {cls.code: kind_of_domain_error(cls) for cls in declared}
    protocol = {kind.code: kind for kind in (*KINDS.values(), INTERNAL)}
    return sorted((domain | protocol).values(), key=lambda kind: (kind.status, kind.code))


def _descendants(cls: type[orders.DomainError]) -> Iterator[type[orders.DomainError]]:
    for child in cls.__subclasses__():
        yield child
        yield from _descendants(child)


def _other_api_error(error: BaseException) -> Kind | None:
    if not isinstance(error, drf.APIException):
        return None
    return Kind(error.status_code, error.default_code, HTTPStatus(error.status_code).phrase)


def _detail(error: Exception, kind: Kind) -> str:
    if kind is UNAUTHENTICATED:
        return INVALID_CREDENTIALS
    if isinstance(error, orders.DomainError):
        return error.detail
    if isinstance(error, drf.APIException) and isinstance(error.detail, str):
        return str(error.detail)
    return kind.title


def _headers(error: Exception, kind: Kind) -> Headers:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if kind.retriable:
        seconds = getattr(error, "retry_after", None) or getattr(error, "wait", None) or 1
        headers["Retry-After"] = str(max(1, math.ceil(seconds)))
    return headers


def _errors(error: Exception) -> list[dict[str, str]] | None:
    if isinstance(error, django_errors.ValidationError):
        error = drf.ValidationError(_django_detail(error))
    return list(_flat(error.detail, "")) if isinstance(error, drf.ValidationError) else None


def _django_detail(error: django_errors.ValidationError) -> Any:
    return error.message_dict if hasattr(error, "error_dict") else error.messages


def _flat(detail: Any, path: str) -> Iterator[dict[str, str]]:
    """Each fault of a nested detail with its path, such as `lines.0.quantity`."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flat(inner, path if name == "non_field_errors" else f"{path}.{name}".lstrip("."))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from _flat(inner, path if isinstance(inner, str) else f"{path}.{index}".lstrip("."))
    else:
        yield {"field": path, "code": getattr(detail, "code", "invalid"), "message": str(detail)}
