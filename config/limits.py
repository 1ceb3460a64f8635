"""How much a token and an address may ask for: `RATE_LIMIT_PER_TOKEN` and `RATE_LIMIT_PER_ADDRESS`.

Counted in Redis where there is one; else in memory, if there is one web process; else in the database.
"""

import hashlib
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from math import ceil
from threading import Lock
from time import time
from typing import Any, Final, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from limits import RateLimitItem, parse
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config import counters, metrics, problems
from config.middleware import GetResponse

UNLIMITED: Final = ("/v1/", "/v1/docs", "/v1/docs/errors", "/v1/openapi.json")
UNLIMITED_PREFIX: Final = "/v1/webhooks/"
"""A gateway that is turned away would deliver later, and in the end not at all; its signature is its limit."""
MARGIN_SECONDS: Final = 0.002
"""Counters round to milliseconds, and a window has to be over."""

_making = Lock()


class AddressLimit:
    """Middleware: counts before anybody is authenticated, so guessing tokens is limited too."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        wait = _take("address", address_of(request), settings.RATE_LIMIT_PER_ADDRESS) if _is_limited(request) else 0
        if not wait:
            return self.get_response(request)
        return problems.problem(
            problems.TOO_MANY, "There were too many requests from this address.", headers={"Retry-After": str(wait)}
        )


class TokenLimit(BaseThrottle):
    """Counts what a valid token asks for; what comes without one is limited by its address alone."""

    _wait = 0

    def allow_request(self, request: Request, view: Any) -> bool:
        if request.auth is not None:
            self._wait = _take("token", request.auth.pk, settings.RATE_LIMIT_PER_TOKEN)
        return not self._wait

    def wait(self) -> float:
        return self._wait


def address_of(request: HttpRequest) -> str:
    """Where a request comes from, as far as `TRUSTED_PROXIES` may be believed.

    IPv6: the first 64 bits. The rest is its user's to choose.
    """
    given = BaseThrottle().get_ident(cast(Request, request))
    address = _parsed(given) or _parsed(request.META.get("REMOTE_ADDR"))
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False))
    return str(address)


def count_gateway_call(gateway: str) -> float | None:
    """Count a call to a gateway: None, or after how many seconds there is room for it.

    Not in one process's memory: the workers' calls count too.
    """
    counter = _made(settings.REDIS_URL, processes=2)
    wait = counter.take(f"gateway:{gateway}", _rate(settings.GATEWAY_RATE_LIMIT))
    return None if wait is None else wait + MARGIN_SECONDS


def prune_windows() -> None:
    """A periodic job."""
    rates = (settings.RATE_LIMIT_PER_TOKEN, settings.RATE_LIMIT_PER_ADDRESS, settings.GATEWAY_RATE_LIMIT)
    counters.prune(longest_seconds=max(_rate(text).get_expiry() for text in rates if text), now=time())


def _is_limited(request: HttpRequest) -> bool:
    path = request.path
    return path.startswith("/v1/") and path not in UNLIMITED and not path.startswith(UNLIMITED_PREFIX)


def _take(kind: str, whose: str, rate: str) -> int:
    """Count a request; 0, or after how many whole seconds there is room for it."""
    name = hashlib.sha256(f"{kind}:{whose}".encode()).hexdigest()  # a store of counts is no place for either
    wait = _counter().take(name, _rate(rate))
    if wait is None:
        return 0
    metrics.LIMITED.labels(kind).inc()
    return max(1, ceil(wait + MARGIN_SECONDS))


def _parsed(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text or "")
    except ValueError:
        return None


def _counter() -> counters.Counter:
    return _made(settings.REDIS_URL, settings.WEB_CONCURRENCY)


def _made(redis_url: str | None, processes: int) -> counters.Counter:
    with _making:  # a cache alone would let the first threads make, and count in, one each
        return _cached(redis_url, processes)


@cache
def _cached(redis_url: str | None, processes: int) -> counters.Counter:
    if redis_url:
        return counters.Redis(redis_url)
    return counters.Database() if processes > 1 else counters.Memory()


@cache
def _rate(text: str) -> RateLimitItem:
    return parse(text)
