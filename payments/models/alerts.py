"""What calls a person, and what was told to whom about it."""

from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from orders.ids import TypedModel
from orders.models import Order


class AlertQuerySet(models.QuerySet["Alert"]):
    def lasting(self) -> Self:
        return self.filter(closed_at=None)

    def loud(self) -> Self:
        """Lasting, and nobody has said that they know."""
        is_awake = Q(snoozed_until=None) | Q(snoozed_until__lte=Now())
        return self.lasting().filter(is_awake, acknowledged_at=None)

    def acknowledged(self) -> Self:
        return self.lasting().exclude(acknowledged_at=None)

    def snoozed(self) -> Self:
        return self.lasting().filter(snoozed_until__gt=Now(), acknowledged_at=None)

    def closed(self) -> Self:
        return self.exclude(closed_at=None)

    def to_be_told(self, *, repeat: timedelta) -> Self:
        """Loud, and not told yet, or not for as long as `repeat`, or not since it was to be silent no longer."""
        is_due = Q(notified_at=None) | Q(notified_at__lte=Now() - repeat) | Q(notified_at__lt=F("snoozed_until"))
        return self.loud().filter(is_due).order_by("id")


class Alert(TypedModel):
    """Something that lasts and wants a person: one open alert for each kind and subject."""

    PREFIX = "alr"

    kind = models.CharField(max_length=32)
    subject = models.CharField(max_length=64, blank=True, help_text="Public id of what it is about; empty for all.")
    order = models.ForeignKey(Order, models.PROTECT, null=True, blank=True, related_name="alerts")
    summary = models.CharField(max_length=300)
    opened_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)
    notified_at = models.DateTimeField(null=True, blank=True)
    notifications = models.PositiveIntegerField(default=0, help_text="How often people were to be told.")
    last_error = models.CharField(max_length=200, blank=True, help_text="Why somebody could not be told.")
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="acknowledged_alerts"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True, help_text="Of whoever acknowledged it.")
    snoozed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="snoozed_alerts"
    )
    snoozed_until = models.DateTimeField(null=True, blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        default_permissions: ClassVar = ["view", "change"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=Q(closed_at=None), name="one_open_alert_per_kind_and_subject"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class AlertNoticeQuerySet(models.QuerySet["AlertNotice"]):
    def pending(self) -> Self:
        return self.filter(state=AlertNotice.State.PENDING)

    def due(self, channel: str) -> Self:
        """What may be sent now, longest waiting first. What somebody knows of is not told; that it is over, is."""
        is_wanted = Q(event=AlertNotice.Event.RESOLVED) | Q(alert__in=Alert.objects.loud())
        due = self.pending().filter(is_wanted, channel=channel, next_attempt_at__lte=Now())
        return due.select_related("alert").order_by("next_attempt_at", "id")


class AlertNotice(TypedModel):
    """One thing to tell over one channel. Its body is frozen: sent again, it is the same to the letter."""

    PREFIX = "msg"

    class Event(models.TextChoices):
        OPENED = "opened"
        REPEATED = "repeated"
        RESOLVED = "resolved"

    class State(models.TextChoices):
        PENDING = "pending"
        SENT = "sent"
        FAILED = "failed"
        DROPPED = "dropped"

    alert = models.ForeignKey(Alert, models.PROTECT, related_name="notices")
    channel = models.CharField(max_length=8)
    event = models.CharField(max_length=8, choices=Event)
    body = models.JSONField()
    state = models.CharField(max_length=7, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)
    next_attempt_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True, blank=True)

    objects = AlertNoticeQuerySet.as_manager()

    class Meta:
        verbose_name = "notice"
        default_permissions: ClassVar = ["view"]
        constraints: ClassVar = [
            # A channel that is away for a day is not sent a day of repetitions when it is back.
            models.UniqueConstraint(
                fields=["alert", "channel"], condition=Q(state="pending"), name="one_pending_notice_per_channel"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], name="notice_due", condition=Q(state="pending")),
        ]

    def __str__(self) -> str:
        return self.public_id
