"""What the page of the gateways shows of each: its breaker, its figures, its last calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db.models import Count, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.safestring import SafeString

from orders.admin.marks import NOTHING, Tone, badge, in_words, link, page_url
from payments import circuits
from payments.admin.calls import call_badge
from payments.circuits import Circuit
from payments.models import GatewayCall

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SAMPLE: Final = 1000
"""Of the last hour's calls, as many of the newest tell how long one takes."""
SHOWN: Final = 8

STATE_TONES: Final[Mapping[str, Tone]] = {
    "closed": "good",
    "open": "alarm",
    "half_open": "busy",
    "forced_open": "alarm",
    "forced_closed": "busy",
}
TOLD: Final[Mapping[str, str]] = {
    "closed": "It is asked as usual.",
    "open": "It is left alone: it failed again and again. What waits for it goes on by itself.",
    "half_open": "It was left alone, and one call is to find out whether it works again.",
    "forced_open": "Nobody asks it, because somebody decided so.",
    "forced_closed": "It is asked whatever comes of it, because somebody decided so.",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one span of time."""

    span: str
    calls: int
    failed: int

    @property
    def rate(self) -> str:
        return f"{100 * self.failed / self.calls:.1f} %" if self.calls else NOTHING


@dataclass(frozen=True, slots=True)
class CallRow:
    call: GatewayCall
    operation: str
    mark: SafeString
    order: SafeString | str
    url: str


@dataclass(frozen=True, slots=True)
class Panel:
    circuit: Circuit
    mark: SafeString
    told: str
    figures: Sequence[Figures]
    median: str
    slowest: str
    calls: Sequence[CallRow]
    calls_url: str

    @property
    def wait(self) -> int:
        """Whole seconds."""
        return round(self.circuit.standing.wait)


def panels(*, shows_calls: bool) -> list[Panel]:
    counted = _counted()
    return [_panel(circuit, counted.get(circuit.gateway, {}), shows_calls) for circuit in circuits.all_circuits()]


def _counted() -> dict[str, dict[str, Any]]:
    """One statement for all of them."""
    failed, lately = Q(outcome__in=GatewayCall.FAILURES), Q(at__gt=Now() - HOUR)
    rows = GatewayCall.objects.since(DAY).order_by().values("gateway").annotate(
        day=Count("pk"), day_failed=Count("pk", filter=failed),
        hour=Count("pk", filter=lately), hour_failed=Count("pk", filter=lately & failed),
    )  # fmt: skip
    return {row["gateway"]: dict(row) for row in rows}


def _panel(circuit: Circuit, counts: Mapping[str, Any], shows_calls: bool) -> Panel:
    calls = GatewayCall.objects.filter(gateway=circuit.gateway).order_by("-id")
    times = sorted(calls.since(HOUR).exclude(status=None).values_list("milliseconds", flat=True)[:SAMPLE])
    shown: Any = calls.select_related("order")[:SHOWN] if shows_calls else []
    return Panel(
        circuit=circuit,
        mark=badge(circuit.state, STATE_TONES[circuit.state]),
        told=TOLD[circuit.state],
        figures=[
            Figures("last hour", counts.get("hour", 0), counts.get("hour_failed", 0)),
            Figures("last day", counts.get("day", 0), counts.get("day_failed", 0)),
        ],
        median=_at(times, 50),
        slowest=_at(times, 95),
        calls=[_row(call) for call in shown],
        calls_url=f"{reverse('admin:payments_gatewaycall_changelist')}?gateway={circuit.gateway}"
        if shows_calls
        else "",
    )


def _row(call: GatewayCall) -> CallRow:
    return CallRow(call, in_words(call.operation), call_badge(call), link(call.order), page_url(call))


def _at(times: Sequence[int], percent: int) -> str:
    """The nearest rank."""
    return f"{times[max(0, -(-len(times) * percent // 100) - 1)]:,} ms" if times else NOTHING
