"""Whether the process lives, whether what it stands on can be reached, and what Prometheus wants to know."""

import hmac
from collections.abc import Callable, Mapping
from typing import Final
from uuid import uuid4

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from kombu import Connection
from prometheus_client import CONTENT_TYPE_LATEST

from config import metrics, problems

NOT_CONFIGURED: Final = "not configured"

log = structlog.get_logger(__name__)


@require_safe
def alive(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@require_safe
def ready(_request: HttpRequest) -> JsonResponse:
    """200 when every part answers, else 503; the parts are named, the reasons are in the log."""
    checks = {name: _outcome(name, check) for name, check in CHECKS.items()}
    is_ready = "failed" not in checks.values()
    body = {"status": "ok" if is_ready else "failed", "checks": checks}
    return JsonResponse(body, status=200 if is_ready else 503)


@require_safe
def scrape(request: HttpRequest) -> HttpResponse:
    """Open unless `METRICS_TOKEN` is set."""
    if settings.METRICS_TOKEN and not _has_token(request, settings.METRICS_TOKEN):
        return problems.problem(
            problems.UNAUTHENTICATED, problems.INVALID_CREDENTIALS, headers={"WWW-Authenticate": "Bearer"}
        )
    return HttpResponse(metrics.exposition(), CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest, token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _outcome(name: str, check: Callable[[], str | None]) -> str:
    try:
        return check() or "ok"
    except Exception:  # whatever a driver raises means the same here
        log.exception("readiness_check_failed", part=name)
        return "failed"


def _check_database() -> None:
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _check_cache() -> None:
    value = uuid4().hex
    cache.set(f"ready-{value}", value, timeout=10)
    if cache.get(f"ready-{value}") != value:
        raise LookupError("the cache does not keep what it is given")


def _check_broker() -> str | None:
    if not settings.CELERY_BROKER_URL:
        return NOT_CONFIGURED
    options = {"socket_connect_timeout": 2, "socket_timeout": 2}
    with Connection(settings.CELERY_BROKER_URL, connect_timeout=2, transport_options=options) as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
    return None


CHECKS: Final[Mapping[str, Callable[[], str | None]]] = {
    "database": _check_database,
    "cache": _check_cache,
    "broker": _check_broker,
}
