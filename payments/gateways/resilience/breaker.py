"""A circuit breaker a gateway: after some failures in a row nobody asks it for a while, then one call finds out.

Failures are silence, broken connections and answers that say nothing. Whatever can be read, a decline above all, shows
that the gateway works; that it wants fewer requests (429) shows neither.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from math import inf
from random import uniform
from threading import Lock
from time import monotonic
from typing import Final
from uuid import uuid4

import structlog
from django.conf import settings
from prometheus_client import Counter

from payments.errors import (
    CircuitOpenError,
    GatewayTimeoutError,
    NetworkError,
    NeverSentError,
    PaymentError,
)
from payments.gateways.resilience.redis_store import Redis
from payments.gateways.resilience.stores import Database, Standing, Store
from payments.models import CircuitBreaker

TRUSTED_SECONDS: Final = 1.0
"""How long a process takes a breaker to be closed, or forced, without asking: an ordinary call asks nobody."""
FORCED_PAUSE: Final = 30.0
"""How long a caller waits for people to let it be asked again; nobody knows how long they take."""
SPREAD: Final = 1.0
"""Over how many seconds those who were turned away come back, so that the first has found out for the others."""

OPENED = Counter("paydesk_gateway_breaker_opened_total", "Times a gateway's breaker opened by itself.", ["gateway"])
REFUSED = Counter("paydesk_gateway_refused_total", "Calls that were not made.", ["gateway", "reason"])

log = structlog.get_logger(__name__)

_making = Lock()


def store() -> Store:
    with _making:
        return _made(settings.REDIS_URL)


@cache
def _made(redis_url: str | None) -> Store:
    database = Database()
    return Redis(redis_url, meanwhile=database) if redis_url else database


class Breaker:
    """As one process sees it.

    `lease`, in seconds, is longer than a call can take: a probe that is not over by then has died.
    """

    def __init__(self, gateway: str, *, lease: float) -> None:
        self.gateway = gateway
        self._lease = lease
        self._closed_until = -inf
        self._has_failures = False
        self._forced = ""
        self._forced_until = -inf

    @contextmanager
    def watching(self) -> Iterator[None]:
        """One call. Raise CircuitOpenError instead of letting it be made; learn from how it ends."""
        forced = self._force()
        if forced == CircuitBreaker.Forced.OPEN:
            raise self._refusal(FORCED_PAUSE)
        if forced:
            yield
            return
        with self._learning(self._admit()):
            yield

    def is_up(self) -> bool:
        """Whether a call would be let through now, as far as that can be told without making one."""
        if forced := self._force():
            return forced == CircuitBreaker.Forced.CLOSED
        return monotonic() < self._closed_until or store().look(self.gateway)[self.gateway].wait <= 0

    def _force(self) -> str:
        """What people have decided. In the database whatever else is shared elsewhere: it must not be lost."""
        if monotonic() > self._forced_until:
            row = CircuitBreaker.objects.forced().filter(gateway=self.gateway).values_list("forced", flat=True)
            self._forced = row.first() or ""
            self._forced_until = monotonic() + TRUSTED_SECONDS
        return self._forced

    def _admit(self) -> str:
        """The name of the probe this call is; empty for an ordinary one."""
        if monotonic() < self._closed_until:
            return ""
        probe = uuid4().hex
        standing = store().admit(self.gateway, probe=probe, lease=self._lease)
        if standing.is_closed:
            self._trust(standing)
            return ""
        if standing.wait > 0 or standing.probe != probe:
            raise self._refusal(standing.wait)
        log.info("gateway_probed", gateway=self.gateway, opened=standing.opened)
        return probe

    def _trust(self, standing: Standing) -> None:
        self._has_failures = standing.failures > 0
        self._closed_until = monotonic() + TRUSTED_SECONDS

    @contextmanager
    def _learning(self, probe: str) -> Iterator[None]:
        try:
            yield
        except (GatewayTimeoutError, NetworkError):
            self._failed(probe)
            raise
        except NeverSentError:
            self._release(probe)
            raise
        except PaymentError:
            self._succeeded(probe)
            raise
        except BaseException:
            self._release(probe)
            raise
        self._succeeded(probe)

    def _succeeded(self, probe: str) -> None:
        if probe or self._has_failures:
            store().succeeded(self.gateway, probe=probe)
            self._has_failures = False
        if probe:
            log.info("gateway_breaker_closed", gateway=self.gateway)

    def _failed(self, probe: str) -> None:
        self._closed_until = -inf
        self._has_failures = True
        opened = store().failed(self.gateway, probe=probe)
        if opened:
            OPENED.labels(self.gateway).inc()
            log.warning("gateway_breaker_opened", gateway=self.gateway, in_a_row=opened)

    def _release(self, probe: str) -> None:
        if probe:
            store().release(self.gateway, probe=probe)

    def _refusal(self, wait: float) -> CircuitOpenError:
        REFUSED.labels(self.gateway, "circuit_open").inc()
        return CircuitOpenError(retry_after=wait + uniform(0, SPREAD))  # noqa: S311  # it is no secret
