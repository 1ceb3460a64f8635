"""Where clients want to be told, what their messages are signed with, and each message on its way."""

import secrets
from base64 import b64encode
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from orders.errors import InvalidTransition
from orders.ids import TypedModel
from orders.models import ACCESS_ALL_CLIENTS
from payments.models.client_events import ClientEvent

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

KEY_BYTES: Final = 32
LEASE: Final = timedelta(seconds=60)
"""How long a message is in the hands of the worker that sends it; well above what sending may take."""


class EndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if user.has_perm(ACCESS_ALL_CLIENTS) else self.filter(client_id=user.pk)

    def undeleted(self) -> Self:
        return self.exclude(state=WebhookEndpoint.State.DELETED)


class WebhookEndpoint(TypedModel):
    """An address of a client's that events are sent to. Its address may hold a password: it is never logged."""

    PREFIX = "whe"

    class State(models.TextChoices):
        ENABLED = "enabled"
        DISABLED = "disabled"
        DELETED = "deleted"

    class Reason(models.TextChoices):
        REQUEST = "request"
        FAILING = "failing"
        GONE = "gone"

    client = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="webhook_endpoints")
    url = models.CharField("address", max_length=2000)
    kinds = models.JSONField(
        "events", default=list, blank=True, help_text="Types of events, such as charge.*; none for all."
    )
    state = models.CharField(max_length=8, choices=State, default=State.ENABLED)
    disabled_reason = models.CharField(max_length=8, choices=Reason, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    enabled_at = models.DateTimeField(db_default=Now(), help_text="Events from before are not sent.")
    failures = models.PositiveIntegerField(default=0, help_text="In a row, over all its messages.")
    rests_until = models.DateTimeField(null=True, blank=True, help_text="Nothing is sent before.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = EndpointQuerySet.as_manager()

    class Meta:
        verbose_name = "webhook endpoint"
        permissions: ClassVar = [
            ("rotate_webhook_secret", "Can give a webhook endpoint a new secret"),
            ("test_webhook_endpoint", "Can send a webhook endpoint a test event"),
            ("resend_event", "Can send an event to a webhook endpoint again"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(state="disabled") | (~Q(disabled_reason="") & Q(disabled_at__isnull=False)),
                name="disabled_endpoint_says_why",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["client", "-id"], name="endpoint_by_client"),
            models.Index(fields=["-id"], name="endpoint_failed", condition=Q(disabled_reason__in=["failing", "gone"])),
        ]

    def __str__(self) -> str:
        return self.public_id

    def wants(self, kind: str) -> bool:
        return not self.kinds or any(fnmatchcase(kind, pattern) for pattern in self.kinds)

    def move(self, to: "WebhookEndpoint.State", **changes: Any) -> None:
        """Compare-and-swap; raise InvalidTransition when it is not where it was, or may not go there."""
        changes = {"state": to, **changes}
        here = WebhookEndpoint.objects.filter(pk=self.pk, state=self.state)
        if to not in NEXT[WebhookEndpoint.State(self.state)] or not here.update(updated_at=Now(), **changes):
            raise InvalidTransition(f"The endpoint is {self.state} and cannot become {to}.", endpoint=self.public_id)
        self.refresh_from_db()


_S = WebhookEndpoint.State
NEXT: dict[WebhookEndpoint.State, set[WebhookEndpoint.State]] = {
    _S.ENABLED: {_S.DISABLED, _S.DELETED},
    _S.DISABLED: {_S.ENABLED, _S.DELETED},
    _S.DELETED: set(),
}


def new_key() -> str:
    """A secret as Standard Webhooks writes it: 32 random bytes, in base64."""
    return f"whsec_{b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


class WebhookSecret(TypedModel):
    """What an endpoint's messages are signed with. Kept in a table of its own, so that nothing shows it by accident."""

    PREFIX = "whs"

    endpoint = models.ForeignKey(WebhookEndpoint, models.PROTECT, related_name="secrets")
    key = models.CharField(max_length=100, default=new_key)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty for the one in force.")

    class Meta:
        default_permissions: ClassVar = []
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["endpoint"], condition=Q(expires_at=None), name="one_secret_in_force_per_endpoint"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class DeliveryQuerySet(models.QuerySet["EventDelivery"]):
    def pending(self) -> Self:
        return self.filter(state=EventDelivery.State.PENDING)

    def idle(self) -> Self:
        """What no worker can have in its hands."""
        is_free = Q(last_attempt_at=None) | Q(last_attempt_at__lt=Now() - LEASE)
        return self.filter(is_free | ~Q(state=EventDelivery.State.PENDING))

    def due(self) -> Self:
        """What may be sent now, longest waiting first; of one subject's events only the first that is not through."""
        earlier = EventDelivery.objects.pending().filter(
            endpoint=OuterRef("endpoint"),
            event__subject=OuterRef("event__subject"),
            event__sequence__lt=OuterRef("event__sequence"),
        )
        undecided = ClientEvent.objects.filter(
            subject=OuterRef("event__subject"), sequence__lt=OuterRef("event__sequence"), fanned_out_at=None
        )
        is_rested = Q(endpoint__rests_until=None) | Q(endpoint__rests_until__lte=Now())
        due = self.pending().filter(
            is_rested, next_attempt_at__lte=Now(), endpoint__state=WebhookEndpoint.State.ENABLED
        )
        in_order = due.filter(~Exists(earlier), ~Exists(undecided))
        return in_order.select_related("event", "endpoint").order_by("next_attempt_at", "id")


class EventDelivery(TypedModel):
    """One event on its way to one endpoint. A worker has it until `next_attempt_at`, and whoever finds it then."""

    PREFIX = "whd"

    class State(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed"

    event = models.ForeignKey(ClientEvent, models.PROTECT, related_name="deliveries")
    endpoint = models.ForeignKey(WebhookEndpoint, models.PROTECT, related_name="deliveries")
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    attempts_before = models.PositiveIntegerField(default=0, help_text="Those before it was last sent again.")
    next_attempt_at = models.DateTimeField(db_default=Now())
    begun_at = models.DateTimeField(db_default=Now(), help_text="Since when it is tried.")
    created_at = models.DateTimeField(db_default=Now())
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="The last answer's HTTP status.")
    milliseconds = models.PositiveIntegerField(null=True, blank=True, help_text="How long the last attempt took.")
    error = models.CharField(max_length=200, blank=True, help_text="Why the last attempt failed.")
    answer = models.CharField(max_length=1000, blank=True, help_text="How the last answer began, secrets masked.")

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        default_permissions: ClassVar = ["view"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "endpoint"], name="one_delivery_per_event_and_endpoint"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], name="delivery_due", condition=Q(state="pending")),
            models.Index(fields=["endpoint", "-id"], name="delivery_by_endpoint"),
            models.Index(fields=["state", "-id"], name="delivery_by_state"),
        ]

    def __str__(self) -> str:
        return self.public_id

    def claim(self) -> bool:
        """Compare-and-swap on the number of attempts: of several workers one sends it."""
        unclaimed = EventDelivery.objects.pending().filter(pk=self.pk, attempts=self.attempts)
        claimed = unclaimed.update(attempts=F("attempts") + 1, next_attempt_at=Now() + LEASE, last_attempt_at=Now())
        self.attempts += claimed
        return bool(claimed)

    def settle(self, **changes: Any) -> bool:
        """Write what came of this attempt; False when the lease was lost, and somebody else tries it now."""
        mine = EventDelivery.objects.pending().filter(pk=self.pk, attempts=self.attempts)
        return bool(mine.update(**changes))
