"""Where a circuit breaker is kept, so that all processes share it. Each decides as it counts, on its own clock."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from django.conf import settings
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now

from payments.models import CircuitBreaker

LONGEST_SECONDS: Final = 120.0
"""However often probes fail, the next one is not further away."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a breaker stands by itself. `wait`: seconds until a call may find out how the gateway does.

    `probe` is who finds out: of what `admit` returns, the caller, where there is nothing to wait for.
    """

    failures: int = 0
    opened: int = 0
    wait: float = 0
    probe: str = ""

    @property
    def is_closed(self) -> bool:
        return not self.opened


class Store(Protocol):
    def admit(self, gateway: str, *, probe: str, lease: float) -> Standing:
        """Whether a call may be made: while closed, and where what comes back names this `probe` and no wait.

        The first one after the wait is the probe, and for `lease` seconds nobody else is.
        """

    def look(self, *gateways: str) -> dict[str, Standing]:
        """How each stands, to be looked at."""

    def succeeded(self, gateway: str, *, probe: str) -> None:
        """Forget the failures; a probe closes it."""

    def failed(self, gateway: str, *, probe: str) -> int:
        """Count a failure; how often it has opened in a row since. A probe's opens it again, for longer."""

    def release(self, gateway: str, *, probe: str) -> None:
        """The probe has found out nothing: let the next call do it."""


def pause_after(opened: int) -> float:
    """For how many seconds it is open, opened for the `opened`th time in a row."""
    return float(min(settings.GATEWAY_BREAKER_SECONDS * 2.0 ** min(opened - 1, 10), LONGEST_SECONDS))


class Database:
    """A row a gateway, changed by guarded updates that each commit by themselves."""

    def admit(self, gateway: str, *, probe: str, lease: float) -> Standing:
        standing = self._look(gateway)
        if standing.is_closed or standing.wait > 0:
            return standing
        free = CircuitBreaker.objects.open(gateway).filter(open_until__lte=Now()).exclude(probe_until__gt=Now())
        if free.update(probe=probe, probe_until=Now() + timedelta(seconds=lease)):
            return Standing(standing.failures, standing.opened, 0, probe)
        return self._look(gateway)

    def look(self, *gateways: str) -> dict[str, Standing]:
        rows: Any = CircuitBreaker.objects.filter(gateway__in=gateways).annotate(now=Now())
        return dict.fromkeys(gateways, Standing()) | {row.gateway: _standing(row) for row in rows}

    def _look(self, gateway: str) -> Standing:
        return self.look(gateway)[gateway]

    def succeeded(self, gateway: str, *, probe: str) -> None:
        if probe:
            CircuitBreaker.objects.open(gateway).filter(probe=probe).update(failures=0, opened=0, **_NOT_OPEN)
        else:
            CircuitBreaker.objects.closed(gateway).filter(failures__gt=0).update(failures=0)

    def failed(self, gateway: str, *, probe: str) -> int:
        return self._reopened(gateway, probe) if probe else self._counted(gateway)

    def release(self, gateway: str, *, probe: str) -> None:
        CircuitBreaker.objects.open(gateway).filter(probe=probe).update(probe="", probe_until=None)

    def _counted(self, gateway: str) -> int:
        """Whoever is first to find the row missing makes it."""
        closed, is_enough = (
            CircuitBreaker.objects.closed(gateway),
            Q(failures__gte=settings.GATEWAY_BREAKER_FAILURES - 1),
        )
        changes: dict[str, Any] = {
            "failures": F("failures") + 1,
            "opened": Case(When(is_enough, then=Value(1)), default=Value(0)),
            "open_until": Case(When(is_enough, then=Now() + timedelta(seconds=pause_after(1))), default=None),
        }
        if not closed.update(**changes):
            CircuitBreaker.objects.prepare(gateway)
            closed.update(**changes)
        return self._look(gateway).opened

    def _reopened(self, gateway: str, probe: str) -> int:
        """The prober alone moves an open breaker, so what it reads of it stays so."""
        opened = self._look(gateway).opened + 1
        mine = CircuitBreaker.objects.open(gateway).filter(probe=probe, opened=opened - 1)
        until = Now() + timedelta(seconds=pause_after(opened))
        mine.update(failures=F("failures") + 1, opened=opened, open_until=until, probe="", probe_until=None)
        return opened


def _standing(row: Any) -> Standing:
    """`row` knows the database's time, as `now`."""
    moments = [moment for moment in (row.open_until, row.probe_until) if moment is not None]
    wait = max(((moment - row.now).total_seconds() for moment in moments), default=0)
    return Standing(row.failures, row.opened, max(wait, 0), row.probe)


_NOT_OPEN: Final[dict[str, Any]] = {"open_until": None, "probe": "", "probe_until": None}
