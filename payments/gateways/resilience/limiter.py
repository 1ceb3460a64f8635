"""No more requests to a gateway than `GATEWAY_RATE_LIMIT` allows, whichever process sends them."""

from collections.abc import Callable

from django.conf import settings
from django.utils.module_loading import import_string

from payments.errors import RateLimitedError
from payments.gateways.resilience.breaker import REFUSED


def take(gateway: str) -> None:
    """Count one request. Raise RateLimitedError, before anything is sent, when there is none left."""
    if not settings.GATEWAY_RATE_LIMIT:
        return
    count: Callable[[str], float | None] = import_string(settings.GATEWAY_COUNTER)
    wait = count(gateway)
    if wait is not None:
        REFUSED.labels(gateway, "rate_limited").inc()
        raise RateLimitedError("There were too many requests to this gateway.", retry_after=wait)
