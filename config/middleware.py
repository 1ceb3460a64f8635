"""What every request gets: an id, a log line, limits and the headers that keep browsers honest."""

import math
import re
import tempfile
import time
from collections.abc import Callable
from typing import IO, BinaryIO, Final, cast

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import resolve
from django.utils.cache import patch_vary_headers

from config import metrics, problems
from orders.ids import format_id, new_id

GetResponse = Callable[[HttpRequest], HttpResponseBase]

REPORTS_PATH: Final = "/v1/reconciliation/reports"
SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
CHUNK: Final = 64 * 1024

log = structlog.get_logger(__name__)


class RequestLog:
    """Binds `request_id` to the log context and writes `request_finished`; a query string is never logged."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        request_id = _request_id(request)
        structlog.contextvars.clear_contextvars()  # and not afterwards: Django logs about the answer once it is made
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        seconds = time.perf_counter() - started
        metrics.observe_request(request, response.status_code, seconds)
        log.info(
            "request_finished",
            method=request.method,
            path=request.path,
            status=response.status_code,
            ms=round(seconds * 1000, 1),
        )
        return response


def _request_id(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-ID", "")
    return given if SANE_REQUEST_ID.fullmatch(given) else format_id("req", new_id())


class ResponseHeaders:
    """Security headers on every answer; nothing under `/v1/` may be kept by a cache."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if request.path.startswith("/v1/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response


class BrokenBody(Exception):
    """A body in chunks that ends before its end, or whose chunks are none."""


class RequestLimits:
    """413 for a body over the limit, whether it is announced or sent in chunks; 400 for a NUL in the address.

    Django reads as much as `Content-Length` says and so nothing of a chunked body: it is spooled here, counted.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return problems.problem(problems.MALFORMED, "The address holds a NUL character.")
        limit = (
            settings.REPORT_UPLOAD_MAX_SIZE if request.path == REPORTS_PATH else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        )
        if "chunked" not in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
            return self._limited(request, _announced_size(request), limit)
        with tempfile.SpooledTemporaryFile(max_size=settings.DATA_UPLOAD_MAX_MEMORY_SIZE) as body:
            try:
                size = _spool(request, body, limit)
            except BrokenBody:
                return problems.problem(problems.MALFORMED, "The body is not sent in whole chunks.")
            return self._limited(request, size, limit)

    def _limited(self, request: HttpRequest, size: float, limit: int) -> HttpResponseBase:
        if size > limit:
            return problems.problem(problems.TOO_LARGE, f"The body is over {limit} bytes.")
        return self.get_response(request)


def _announced_size(request: HttpRequest) -> float:
    """`Content-Length`; what is not a length is taken for one over every limit."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    return int(announced) if re.fullmatch(r"[0-9]{1,18}", announced) else math.inf


def _spool(request: HttpRequest, body: IO[bytes], limit: int) -> int:
    """Read up to the limit into `body`, make that the request's, and return its size; raise BrokenBody."""
    source: IO[bytes] = request.META["wsgi.input"]
    try:
        while body.tell() <= limit and (chunk := source.read(CHUNK)):
            body.write(chunk)
    except Exception as error:  # every web server has errors of its own for a message that is framed wrongly or cut off
        raise BrokenBody from error
    size = body.tell()
    body.seek(0)
    request._stream = cast(BinaryIO, body)
    request.META["CONTENT_LENGTH"] = str(size)
    return size


class Direct:
    """Asks the intake of webhooks at once: it wants no session, user, time zone, form token or idempotency key.

    What stands above it in the list goes for the intake too.
    """

    PREFIX: Final = "/v1/webhooks/"

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(self.PREFIX):
            return self.get_response(request)
        request.resolver_match = match = resolve(request.path_info)
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        return response.render() if isinstance(response, SimpleTemplateResponse) else response


class Cors:
    """Lets the pages of `CORS_ALLOWED_ORIGINS` call `/v1/`; a token is needed all the same, cookies are not sent."""

    ALLOWED: Final = {
        "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Prefer, X-Request-ID",
        "Access-Control-Max-Age": "600",
    }
    EXPOSED: Final = "Idempotent-Replayed, Location, Retry-After, X-Request-ID"

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        origin = request.headers.get("Origin", "")
        if not request.path.startswith("/v1/") or origin not in settings.CORS_ALLOWED_ORIGINS:
            return self.get_response(request)
        is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        response = HttpResponse(status=204, headers=self.ALLOWED) if is_preflight else self.get_response(request)
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Expose-Headers"] = self.EXPOSED
        patch_vary_headers(response, ("Origin",))
        return response
