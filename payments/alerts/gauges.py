"""What Prometheus is told out of the database, at the moment it asks: the same from whichever process answers."""

from collections.abc import Iterator

import structlog
from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Q
from django.db.models.functions import Now
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from payments import circuits
from payments.alerts import kinds
from payments.models import Alert, CaptureStop, SagaExecution
from payments.sagas import registry
from payments.sagas.run import UNKNOWN

log = structlog.get_logger(__name__)

UNENDED = [state for state in SagaExecution.State if state not in SagaExecution.FINAL]


class DatabaseGauges(Collector):
    """A few counts over short indexes. Absent, not zero, while the database cannot be asked."""

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            gauges = [_alerts(), *_sagas(), _due_age(), _captures_stopped(), _breakers()]
        except (DatabaseError, InterfaceError) as error:
            log.warning("gauges_absent", error=type(error).__name__)
            return
        yield from gauges


def _alerts() -> GaugeMetricFamily:
    rows = Alert.objects.lasting().order_by().values_list("kind").annotate(Count("pk"))
    found = dict.fromkeys(kinds.names(), 0) | dict(rows)
    gauge = GaugeMetricFamily("paydesk_alerts_open", "Alerts that last, by kind.", labels=["kind"])
    for kind, count in found.items():
        gauge.add_metric([kind], count)
    return gauge


def _sagas() -> Iterator[GaugeMetricFamily]:
    is_unknown = Q(state__in=SagaExecution.ACTIVE, waiting_for=UNKNOWN)
    rows = SagaExecution.objects.filter(state__in=UNENDED).order_by().values_list("state")
    counts = {state: (total, unknown) for state, total, unknown in rows.annotate(
        Count("pk"), unknown=Count("pk", filter=is_unknown))}  # fmt: skip
    gauge = GaugeMetricFamily("paydesk_sagas", "Sagas that have not ended, by state.", labels=["state"])
    for state in UNENDED:
        gauge.add_metric([state.value], counts.get(state.value, (0, 0))[0])
    yield gauge
    unknown = sum(count for _total, count in counts.values())
    yield GaugeMetricFamily("paydesk_unknown_outcomes", "Sagas with an outcome that nobody knows.", value=unknown)


def _due_age() -> GaugeMetricFamily:
    due = SagaExecution.objects.due(registry.versions()).annotate(now=Now()).values_list("now", "next_run_at")
    row = due.first()
    age = (row[0] - row[1]).total_seconds() if row else 0
    return GaugeMetricFamily("paydesk_sagas_due_age_seconds", "How long the saga due longest has waited.", value=age)


def _breakers() -> GaugeMetricFamily:
    """Redis is asked for what it keeps, and a call never waits for long for it."""
    gauge = GaugeMetricFamily(
        "paydesk_gateway_breaker_open", "1 while a gateway is left alone, by itself or by hand.", labels=["gateway"]
    )
    for circuit in circuits.all_circuits():
        gauge.add_metric([circuit.gateway], int(circuit.is_open))
    return gauge


def _captures_stopped() -> GaugeMetricFamily:
    is_stopped = CaptureStop.objects.in_force() is not None
    return GaugeMetricFamily("paydesk_captures_stopped", "1 while all captures are stopped.", value=int(is_stopped))
