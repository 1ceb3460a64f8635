"""What is looked for: each watcher is one query over an index, and reads no more than MOST rows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from orders.money import Money
from payments.alerts import kinds
from payments.alerts.kinds import Kind
from payments.models import (
    CaptureStop,
    ChargeAttempt,
    Dispute,
    Refund,
    SagaExecution,
    SagaStep,
    WebhookEndpoint,
    WebhookEvent,
)
from payments.sagas import registry
from payments.sagas.retries import UNKNOWN_PATIENCE
from payments.sagas.run import GATEWAY, UNKNOWN

State = SagaExecution.State

MOST = 200
"""Of one kind at once, the oldest. Whoever meets two hundred stuck sagas does not need the rest named."""
EXPIRY_NOTICE = timedelta(days=1)
EVIDENCE_NOTICE = timedelta(days=3)
STOP_PATIENCE = timedelta(hours=1)
LATE = timedelta(minutes=2)
"""How long a saga may be due before nobody's taking it means that nobody can."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: the public id it is about (empty for all), and a sentence. Nothing secret, nothing personal."""

    subject: str
    summary: str
    order_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Watcher:
    kind: Kind
    look: Callable[[], Iterable[Finding]]


def failed_compensations() -> Iterable[Finding]:
    for saga in _in_state(State.FAILED_COMPENSATION):
        yield _about(saga, "could not be undone: a person has to.")


def stopped_sagas() -> Iterable[Finding]:
    for saga in _in_state(State.NEEDS_ATTENTION):
        yield _about(saga, "has stopped: a person has to decide.")


def unknown_outcomes() -> Iterable[Finding]:
    """The deadline was set when the outcome became unknown, or when a gateway said that it was still at it and has told
    nothing since, whoever asked.
    """
    patience = timedelta(minutes=settings.ALERT_UNKNOWN_MINUTES)
    in_vain = SagaStep.objects.filter(
        saga=OuterRef("pk"), state=SagaStep.State.STARTED, outcome=SagaStep.Outcome.UNKNOWN
    )
    is_unknown = Q(waiting_for=UNKNOWN) | (Q(waiting_for=GATEWAY) & Exists(in_vain))
    unknown = SagaExecution.objects.filter(is_unknown, state__in=SagaExecution.ACTIVE)
    for saga in _oldest(unknown.filter(deadline_at__lte=Now() + UNKNOWN_PATIENCE - patience)):
        since = _moment(saga.deadline_at, earlier=UNKNOWN_PATIENCE)
        yield _about(saga, f"waits for an outcome that nobody has known since {since}.")


def unclaimable_versions() -> Iterable[Finding]:
    waiting = SagaExecution.objects.filter(state__in=SagaExecution.ACTIVE, is_paused=False)
    late = waiting.filter(next_run_at__lte=Now() - LATE).exclude(_known_versions())
    rows = late.order_by("definition", "version").values_list("definition", "version")
    for definition, version, count, first in rows.annotate(Count("pk"), Min("next_run_at"))[:MOST]:
        told = f"{count} due since {_moment(first)} and later, and no worker of this build has this version."
        yield Finding(f"{definition}:{version}", f"The saga {definition}, version {version}: {told}")


def old_backlog() -> Iterable[Finding]:
    patience = timedelta(seconds=settings.ALERT_BACKLOG_SECONDS)
    due = SagaExecution.objects.due(registry.versions()).filter(next_run_at__lte=Now() - patience)
    first = due.values_list("next_run_at", flat=True).first()
    if first is not None:
        yield Finding("", f"The saga that has been due longest has waited for a worker since {_moment(first)}.")


def expiring_authorizations() -> Iterable[Finding]:
    """Those that nobody will void or capture by himself, because a person has the saga."""
    is_stuck = Q(saga__state__in=[State.NEEDS_ATTENTION, State.FAILED_COMPENSATION]) | Q(saga__is_paused=True)
    authorized = ChargeAttempt.objects.filter(status=ChargeAttempt.Status.AUTHORIZED).filter(is_stuck)
    for charge in authorized.filter(authorization_expires_at__lte=Now() + EXPIRY_NOTICE).order_by("id")[:MOST]:
        amount, at = Money(charge.amount_minor, charge.currency), _moment(charge.authorization_expires_at)
        told = f"The authorization of {amount} expires at {at}, and its saga waits for a person."
        yield Finding(charge.public_id, told, charge.order_id)


def stopped_captures() -> Iterable[Finding]:
    stop = CaptureStop.objects.filter(is_over=False, stopped_at__lte=Now() - STOP_PATIENCE).first()
    if stop is not None:
        yield Finding("", f"All captures have been stopped since {_moment(stop.stopped_at)}.")


def unanswered_disputes() -> Iterable[Finding]:
    """Those whose evidence is due soon, whoever has taken them over."""
    due = Dispute.objects.unanswered().filter(evidence_due_at__lte=Now() + EVIDENCE_NOTICE)
    for dispute in due.select_related("charge")[:MOST]:
        amount, at = Money(dispute.amount_minor, dispute.currency), _moment(dispute.evidence_due_at)
        told = f"A dispute of {amount} can be answered until {at}, and nobody has."
        yield Finding(dispute.public_id, told, dispute.charge.order_id)


def returned_refunds() -> Iterable[Finding]:
    for refund in Refund.objects.returned().select_related("charge").order_by("id")[:MOST]:
        amount = Money(refund.amount_minor, refund.currency)
        told = f"A refund of {amount} has come back: the customer does not have the money."
        yield Finding(refund.public_id, told, refund.charge.order_id)


def failed_webhooks() -> Iterable[Finding]:
    failed = WebhookEvent.objects.filter(status=WebhookEvent.Status.FAILED).select_related("charge")
    for event in failed.order_by("id").defer("body")[:MOST]:
        order_id = event.charge.order_id if event.charge else None
        yield Finding(event.public_id, f"A webhook of {event.gateway} could not be acted on.", order_id)


def disabled_endpoints() -> Iterable[Finding]:
    """Not those that somebody has disabled on purpose."""
    reasons = [WebhookEndpoint.Reason.FAILING, WebhookEndpoint.Reason.GONE]
    failed = WebhookEndpoint.objects.filter(disabled_reason__in=reasons).select_related("client")
    for endpoint in failed.order_by("-id")[:MOST]:
        is_gone = endpoint.disabled_reason == WebhookEndpoint.Reason.GONE
        why = "says that it is gone" if is_gone else "has taken nothing for three days"
        yield Finding(endpoint.public_id, f"A webhook endpoint of {endpoint.client} {why}, and was disabled.")


WATCHERS = (
    Watcher(kinds.FAILED_COMPENSATION, failed_compensations),
    Watcher(kinds.NEEDS_ATTENTION, stopped_sagas),
    Watcher(kinds.UNKNOWN_TOO_LONG, unknown_outcomes),
    Watcher(kinds.UNCLAIMABLE_VERSION, unclaimable_versions),
    Watcher(kinds.BACKLOG_AGE, old_backlog),
    Watcher(kinds.AUTHORIZATION_EXPIRING, expiring_authorizations),
    Watcher(kinds.CAPTURES_STOPPED, stopped_captures),
    Watcher(kinds.DISPUTE_UNANSWERED, unanswered_disputes),
    Watcher(kinds.REFUND_RETURNED, returned_refunds),
    Watcher(kinds.WEBHOOK_FAILED, failed_webhooks),
    Watcher(kinds.WEBHOOK_ENDPOINT_DISABLED, disabled_endpoints),
)


def _known_versions() -> Q:
    known = Q(pk__in=[])
    for definition, version in registry.versions():
        known |= Q(definition=definition, version=version)
    return known


def _in_state(state: SagaExecution.State) -> QuerySet[SagaExecution]:
    return _oldest(SagaExecution.objects.filter(state=state))


def _oldest(sagas: QuerySet[SagaExecution]) -> QuerySet[SagaExecution]:
    return sagas.select_related("order").order_by("id")[:MOST]


def _about(saga: SagaExecution, told: str) -> Finding:
    order = saga.order
    what = f"The {saga.definition} of {order.public_id} over {order.total}"
    return Finding(saga.public_id, f"{what} {told}", order.pk)


def _moment(at: Any, *, earlier: timedelta = timedelta(0)) -> str:
    """`at` is a column that the query wants filled."""
    moment: datetime = at - earlier
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
