from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orders.ids import TypedModel
from orders.models import ACCESS_ALL_CLIENTS
from payments.models.charges import ChargeAttempt

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class WebhookQuerySet(models.QuerySet["WebhookEvent"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Events about no known charge are nobody's own."""
        return self if user.has_perm(ACCESS_ALL_CLIENTS) else self.filter(charge__order__client_id=user.pk)

    def due(self) -> Self:
        """What may be acted on now, oldest first."""
        waiting = self.filter(status__in=WebhookEvent.OPEN, next_attempt_at__lte=Now())
        return waiting.order_by("next_attempt_at")


class WebhookEvent(TypedModel):
    """What a gateway told us, kept as it came (but for card data) and acted on later."""

    PREFIX = "evt"

    class Status(models.TextChoices):
        RECEIVED = "received"
        PROCESSED = "processed"
        WAITING_FOR_OBJECT = "waiting_for_object"
        FAILED = "failed"
        IGNORED = "ignored"

    OPEN = (Status.RECEIVED, Status.WAITING_FOR_OBJECT)

    gateway = models.CharField(max_length=32)
    event_id = models.CharField(max_length=255, help_text="The gateway's own name of the event.")
    kind = models.CharField(max_length=100)
    body = models.TextField(help_text="As signed, with card data masked.")
    status = models.CharField(max_length=18, choices=Status, default=Status.RECEIVED)
    charge = models.ForeignKey(ChargeAttempt, models.PROTECT, null=True, blank=True, related_name="webhooks")
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)
    next_attempt_at = models.DateTimeField(db_default=Now())
    received_at = models.DateTimeField(db_default=Now())
    processed_at = models.DateTimeField(null=True, blank=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        permissions: ClassVar = [("replay_webhookevent", "Can have an event acted on again, or set aside")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["gateway", "event_id"], name="one_row_per_gateway_event"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"],
                name="webhook_due",
                condition=Q(status__in=["received", "waiting_for_object"]),
            ),
            models.Index(fields=["status", "-id"], name="webhook_by_status"),
            models.Index(fields=["gateway", "-id"], name="webhook_by_gateway"),
            models.Index(fields=["kind", "-id"], name="webhook_by_kind"),
        ]

    def __str__(self) -> str:
        return self.public_id
