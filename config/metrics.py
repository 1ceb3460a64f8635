"""What Prometheus scrapes. Other apps make their own metrics with prometheus-client's default registry."""

import os
from typing import Final

from django.http import HttpRequest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Counter("paydesk_http_requests_total", "Answered requests.", ["method", "route", "status"])
SECONDS = Histogram("paydesk_http_request_seconds", "Time to answer a request.", ["method", "route"])
LIMITED = Counter("paydesk_rate_limited_total", "Requests refused because there were too many.", ["limit"])


def observe_request(request: HttpRequest, status: int, seconds: float) -> None:
    """Count by route, never by path: a client must not be able to make new series."""
    method = request.method if request.method in METHODS else "OTHER"
    route = request.resolver_match.route if request.resolver_match else "unmatched"
    REQUESTS.labels(method, route, str(status)).inc()
    SECONDS.labels(method, route).observe(seconds)


def exposition() -> bytes:
    """All metrics in Prometheus' text format; with `PROMETHEUS_MULTIPROC_DIR`, those of every process.

    What is read from the database is the same for all of them, and is asked for once.
    """
    return generate_latest(_of_processes()) + generate_latest(_of_the_database())


def _of_processes() -> CollectorRegistry:
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry


def _of_the_database() -> CollectorRegistry:
    from payments.alerts.gauges import DatabaseGauges  # models, which are there only once Django is set up

    registry = CollectorRegistry()
    registry.register(DatabaseGauges())
    return registry
