"""Have a gateway left alone, or asked, whatever its breaker thinks; and let the breaker decide again.

What people decide is a row in the database, whatever else is shared in Redis: a flushed Redis must not undo it. Every
process reads it anew once a second.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models.functions import Now

from orders.errors import InvalidTransition
from payments.gateways import registry
from payments.gateways.resilience import breaker
from payments.gateways.resilience.stores import Standing
from payments.models import CircuitBreaker

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LONGEST_REASON: Final = 500
"""Characters."""
AUTOMATIC: Final = ""

_DONE: Final = {
    CircuitBreaker.Forced.OPEN.value: "Had it left alone",
    CircuitBreaker.Forced.CLOSED.value: "Had it asked, whatever happens",
    AUTOMATIC: "Let its breaker decide again",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Circuit:
    """How one gateway or carrier stands: `row` is what people decided, `standing` what its breaker found by itself."""

    gateway: str
    row: CircuitBreaker
    standing: Standing

    @property
    def state(self) -> str:
        """What a call that is made now meets."""
        if self.row.forced:
            return f"forced_{self.row.forced}"
        if self.standing.is_closed:
            return "closed"
        return "half_open" if self.standing.probe or self.standing.wait <= 0 else "open"

    @property
    def is_open(self) -> bool:
        """Whether it is left alone, but for a probe."""
        return self.state not in ("closed", "forced_closed")


def all_circuits() -> list[Circuit]:
    """Of every configured gateway, and of the carrier."""
    rows = {row.gateway: row for row in CircuitBreaker.objects.all()}
    standings = breaker.store().look(*names())
    return [
        Circuit(name, rows.get(name) or CircuitBreaker(gateway=name), standing) for name, standing in standings.items()
    ]


def names() -> list[str]:
    return [*settings.GATEWAYS, registry.carrier_name()]


def decide(gateway: str, *, forced: str, by: "User", reason: str) -> None:
    """Have every process do as told within two seconds. `forced`: open, closed, or AUTOMATIC.

    Raise InvalidTransition when it is so already.
    """
    with transaction.atomic():
        CircuitBreaker.objects.prepare(gateway)
        others = CircuitBreaker.objects.filter(gateway=gateway).exclude(forced=forced)
        if not others.update(forced=forced, **_marks(forced, by.get_username(), reason)):
            raise InvalidTransition("It was so already.", gateway=gateway)
        row = CircuitBreaker.objects.get(gateway=gateway)
        LogEntry.objects.log_actions(by.pk, [row], CHANGE, f"{_DONE[forced]}: {reason}", single_object=True)
    log.warning("gateway_breaker_forced", gateway=gateway, forced=forced or "automatic", by=by.get_username())


def _marks(forced: str, by: str, reason: str) -> dict[str, Any]:
    if not forced:
        return {"forced_by": "", "forced_because": "", "forced_at": None}
    return {"forced_by": by, "forced_because": reason, "forced_at": Now()}
