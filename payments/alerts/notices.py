"""Decide what is to be told, in the commit that makes it so; `delivery` tells it, outside any transaction."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from payments.alerts import channels, kinds
from payments.models import Alert, AlertNotice

Event, State = AlertNotice.Event, AlertNotice.State

AT_ONCE = 500
"""Alerts that are looked at in one round."""


def tell_due() -> None:
    """Prepare a notice of every alert that is new, or lasts, and that nobody knows of; of several workers one does."""
    to = channels.configured()
    repeat = timedelta(minutes=settings.ALERT_REPEAT_MINUTES)
    due = Alert.objects.to_be_told(repeat=repeat).select_related("order")
    for alert in due[:AT_ONCE] if to else ():
        with transaction.atomic():
            unclaimed = Alert.objects.lasting().filter(pk=alert.pk, notifications=alert.notifications)
            if unclaimed.update(notified_at=Now(), notifications=F("notifications") + 1):
                _write(alert, Event.REPEATED if alert.notifications else Event.OPENED, to)


def tell_resolved(alert: Alert) -> None:
    """Whoever may have heard of it hears that it is over; what nobody has heard yet is dropped."""
    notices = AlertNotice.objects.filter(alert=alert)
    told = set(notices.filter(attempts__gt=0).values_list("channel", flat=True))
    notices.pending().update(state=State.DROPPED)
    if to := told.intersection(channels.configured()):
        _write(alert, Event.RESOLVED, to)


def _write(alert: Alert, event: AlertNotice.Event, to: Iterable[str]) -> None:
    """Where a notice of the alert is still waiting to be sent, that one will do."""
    body = _body(alert, event)
    rows = [AlertNotice(alert=alert, channel=channel, event=event, body=body) for channel in to]
    AlertNotice.objects.bulk_create(rows, ignore_conflicts=True)


def _body(alert: Alert, event: AlertNotice.Event) -> dict[str, Any]:
    """Ids, kinds, amounts and a link: nothing secret and nothing personal leaves the house."""
    page = reverse("admin:payments_alert_change", args=[alert.public_id])
    return {
        "type": f"alert.{event}",
        "timestamp": timezone.now().isoformat(timespec="seconds"),
        "data": {
            "id": alert.public_id,
            "kind": alert.kind,
            "subject": alert.subject or None,
            "order": alert.order.public_id if alert.order else None,
            "summary": alert.summary,
            "what_to_do": kinds.named(alert.kind).advice,
            "opened_at": alert.opened_at.isoformat(timespec="seconds"),
            "url": f"{settings.PUBLIC_URL}{page}",
        },
    }
