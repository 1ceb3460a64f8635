"""What waits for a person. Queues are short, and an index leads to the few rows they hold."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Q

from config.dashboard.figures import Figure, Tally, age, listing, span, tallies, visible
from fraud.models import ReviewCase
from orders.admin.marks import Tone
from orders.models import Order
from payments.models import Alert, Dispute, SagaExecution, SagaIntervention, WebhookEvent

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

Case, State = ReviewCase.State, SagaExecution.State


def alerts(user: "User | AnonymousUser", now: datetime) -> list[Figure]:
    if not user.has_perm("payments.view_alert"):
        return []
    tally = tallies(visible(Alert.objects.loud(), user, "order__client"), {"loud": Q()}, at="opened_at")["loud"]
    return [_figure("Alerts", tally, listing("payments_alert"), age(tally, now), "alarm")]


def reviews(user: "User | AnonymousUser", now: datetime) -> list[Figure]:
    if not user.has_perm("fraud.view_reviewcase"):
        return []
    waiting = visible(ReviewCase.objects.waiting().order_by(), user, "order__client")
    kinds = {
        "unclaimed": Q(state=Case.OPEN),
        "mine": Q(state=Case.CLAIMED, claimed_by=user.pk),
        "escalated": Q(state=Case.ESCALATED),
    }
    found = tallies(waiting, kinds, at="created_at", due="due_at")
    return [
        _review("Reviews unclaimed", found["unclaimed"], "unclaimed", now),
        _review("Reviews of mine", found["mine"], "mine", now),
        _review("Reviews escalated", found["escalated"], "escalated", now),
    ]


def _review(label: str, tally: Tally, queue: str, now: datetime) -> Figure:
    notes = [age(tally, now), _time_left(tally, now)]
    tone: Tone = "alarm" if tally.due and tally.due <= now else "busy"
    return _figure(label, tally, listing("fraud_reviewcase", queue=queue), "; ".join(filter(None, notes)), tone)


def _time_left(tally: Tally, now: datetime) -> str:
    if tally.due is None:
        return ""
    return f"most urgent: {span(tally.due - now)} left" if tally.due > now else "most urgent: overdue"


def sagas(user: "User | AnonymousUser", now: datetime) -> list[Figure]:
    if not user.has_perm("payments.view_sagaexecution"):
        return []
    stuck = (State.NEEDS_ATTENTION, State.FAILED_COMPENSATION, State.WAITING)
    rows = visible(SagaExecution.objects.filter(state__in=stuck), user, "order__client")
    kinds = {
        "attention": Q(state=State.NEEDS_ATTENTION),
        "failed": Q(state=State.FAILED_COMPENSATION),
        "unknown": Q(state=State.WAITING, waiting_for="unknown_outcome"),
    }
    found = tallies(rows, kinds, at="updated_at")
    return [
        _saga("Sagas: needs attention", found["attention"], now, state__exact=State.NEEDS_ATTENTION.value),
        _saga("Sagas: failed compensation", found["failed"], now, state__exact=State.FAILED_COMPENSATION.value),
        _saga("Sagas: unknown outcome", found["unknown"], now, waiting_for="unknown_outcome"),
    ]


def _saga(label: str, tally: Tally, now: datetime, **query: object) -> Figure:
    return _figure(label, tally, listing("payments_sagaexecution", **query), age(tally, now), "alarm")


def orders(user: "User | AnonymousUser", now: datetime) -> list[Figure]:
    """For those who see no sagas: an order stands where its saga does."""
    if not user.has_perm("orders.view_order") or user.has_perm("payments.view_sagaexecution"):
        return []
    stuck = Order.Status.NEEDS_ATTENTION
    rows = visible(Order.objects.filter(status=stuck), user, "client")
    tally = tallies(rows, {"stuck": Q(status=stuck)}, at="updated_at")["stuck"]
    return [
        _figure(
            "Orders: needs attention",
            tally,
            listing("orders_order", status__exact=stuck.value),
            age(tally, now),
            "alarm",
        )
    ]


def approvals(user: "User | AnonymousUser", now: datetime) -> list[Figure]:
    """What colleagues have asked for: nobody approves their own."""
    if not user.has_perm("payments.approve_intervention") or not user.has_perm("payments.view_sagaintervention"):
        return []
    rows = visible(SagaIntervention.objects.awaiting(), user, "saga__order__client").exclude(requested_by=user.pk)
    tally = tallies(rows, {"awaiting": Q()}, at="created_at")["awaiting"]
    url = listing("payments_sagaintervention", state__exact=SagaIntervention.State.AWAITING_APPROVAL.value)
    return [_figure("Awaiting your approval", tally, url, age(tally, now), "alarm")]


def disputes(user: "User | AnonymousUser", now: datetime) -> list[Figure]:
    if not user.has_perm("payments.view_dispute"):
        return []
    rows = visible(Dispute.objects.unanswered().order_by(), user, "charge__order__client")
    tally = tallies(rows, {"unanswered": Q()}, at="created_at", due="evidence_due_at")["unanswered"]
    notes = [age(tally, now), _time_left(tally, now)]
    tone: Tone = "alarm" if tally.due and tally.due <= now else "busy"
    return [_figure("Disputes unanswered", tally, listing("payments_dispute"), "; ".join(filter(None, notes)), tone)]


def webhooks(user: "User | AnonymousUser", now: datetime) -> list[Figure]:
    if not user.has_perm("payments.view_webhookevent"):
        return []
    failed = WebhookEvent.Status.FAILED
    rows = visible(WebhookEvent.objects.filter(status=failed), user, "charge__order__client")
    tally = tallies(rows, {"failed": Q(status=failed)}, at="received_at")["failed"]
    url = listing("payments_webhookevent", status__exact=failed.value)
    return [_figure("Webhooks failed", tally, url, age(tally, now), "alarm")]


def _figure(label: str, tally: Tally, url: str, note: str, tone: Tone) -> Figure:
    return Figure(label, f"{tally.count:,}", url, note or "nothing waits", tone if tally.count else "quiet")


ALL = (alerts, reviews, sagas, approvals, disputes, orders, webhooks)
