"""Open, touch and close alerts, and write down who knows of them. Whom to tell is `notices`' part."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models.functions import Now

from orders.errors import InvalidTransition
from payments.alerts import notices, watchers
from payments.alerts.watchers import Finding
from payments.models import Alert
from payments.models.alerts import AlertQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger(__name__)

TOUCH_EVERY = timedelta(seconds=15)
"""Of several workers that look at the same time, one writes."""
GONE_FOR = timedelta(minutes=2)
"""What is gone this long is over: a figure that goes to and fro about its limit is one alert."""


def raise_alert(kind: str, subject: str, summary: str, *, order_id: UUID | None = None) -> Alert:
    """Open an alert, or touch the open one of this kind and subject; people are told in the next round.

    `subject` is the public id of what it is about, empty for all. For kinds that no watcher looks for:
    `clear_alert` ends it.
    """
    lasting = Alert.objects.lasting().filter(kind=kind, subject=subject)
    with transaction.atomic():
        while not lasting.update(last_seen_at=Now(), summary=summary):
            _open(kind, [Finding(subject, summary, order_id)])
        return lasting.get()


def clear_alert(kind: str, subject: str) -> bool:
    """What the alert was about is over; False when none was open."""
    lasting = Alert.objects.lasting()
    alert = lasting.filter(kind=kind, subject=subject).first()
    return alert is not None and _close(alert, lasting)


def observe(kind: str, found: Collection[Finding]) -> None:
    """Everything of `kind` there is now: open what is new, touch what lasts, close what is gone."""
    lasting = {alert.subject: alert for alert in Alert.objects.lasting().filter(kind=kind)}
    _open(kind, [finding for finding in found if finding.subject not in lasting])
    stale = Alert.objects.lasting().filter(kind=kind, last_seen_at__lt=Now() - TOUCH_EVERY)
    stale.filter(subject__in=[finding.subject for finding in found]).update(last_seen_at=Now())
    for finding in found:
        alert = lasting.get(finding.subject)
        if alert is not None and alert.summary != finding.summary:
            Alert.objects.filter(pk=alert.pk).update(summary=finding.summary)
    if len(found) < watchers.MOST:  # a list that was cut off says nothing about what is not on it
        gone = Alert.objects.lasting().filter(kind=kind, last_seen_at__lt=Now() - GONE_FOR)
        for alert in gone:
            _close(alert, gone)


def acknowledge(alert: Alert, *, by: "User", note: str) -> None:
    """Somebody sees to it: nothing more is told until it is over. Raise InvalidTransition when it is not open."""
    with transaction.atomic():
        lasting = Alert.objects.lasting().filter(pk=alert.pk, acknowledged_at=None)
        if not lasting.update(acknowledged_by=by, acknowledged_at=Now(), note=note):
            raise InvalidTransition(_why_not(alert))
        _log(alert, f"Acknowledged: {note}" if note else "Acknowledged", by=by)


def snooze(alert: Alert, *, by: "User", hours: int, note: str = "") -> None:
    """Tell nothing for so long, and then again if it still lasts. Raise InvalidTransition when it is not open."""
    with transaction.atomic():
        lasting = Alert.objects.lasting().filter(pk=alert.pk, acknowledged_at=None)
        kept = {"note": note} if note else {}
        if not lasting.update(snoozed_by=by, snoozed_until=Now() + timedelta(hours=hours), **kept):
            raise InvalidTransition(_why_not(alert))
        _log(alert, f"Snoozed for {hours} h: {note}" if note else f"Snoozed for {hours} h", by=by)


def _open(kind: str, found: Iterable[Finding]) -> None:
    """Of two workers that find the same, the database takes one."""
    new = [
        Alert(kind=kind, subject=finding.subject, summary=finding.summary, order_id=finding.order_id)
        for finding in found
    ]
    Alert.objects.bulk_create(new, ignore_conflicts=True)
    for alert in new:
        log.warning("alert_raised", kind=kind, subject=alert.subject, summary=alert.summary)


def _close(alert: Alert, among: AlertQuerySet) -> bool:
    """Close it if it is still among those; False when another worker was first, or has seen it again."""
    with transaction.atomic():
        if not among.filter(pk=alert.pk).update(closed_at=Now()):
            return False
        notices.tell_resolved(alert)
    log.info("alert_closed", kind=alert.kind, subject=alert.subject)
    return True


def _why_not(alert: Alert) -> str:
    alert.refresh_from_db()
    if alert.closed_at is not None:
        return "This alert is over."
    return f"This alert was acknowledged already by {alert.acknowledged_by}."


def _log(alert: Alert, what: str, *, by: "User") -> None:
    LogEntry.objects.log_actions(by.pk, [alert], CHANGE, what, single_object=True)
