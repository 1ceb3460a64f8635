"""What is known of the gateways themselves: whether they are left alone, and every call that was made to them."""

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orders.models import Order
from payments.models.sagas import SagaExecution, SagaStep


class CircuitBreakerQuerySet(models.QuerySet["CircuitBreaker"]):
    def prepare(self, gateway: str) -> None:
        """Make sure that there is a row to update."""
        self.bulk_create([CircuitBreaker(gateway=gateway)], ignore_conflicts=True)

    def closed(self, gateway: str) -> Self:
        return self.filter(gateway=gateway, opened=0)

    def open(self, gateway: str) -> Self:
        return self.filter(gateway=gateway, opened__gt=0)

    def forced(self) -> Self:
        return self.exclude(forced="")


class CircuitBreaker(models.Model):
    """Whether a gateway is asked at all.

    What it came to by itself is counted here where there is no Redis; what people made of it is here in any case.
    """

    class Forced(models.TextChoices):
        OPEN = "open"
        CLOSED = "closed"

    gateway = models.CharField(max_length=60, unique=True)
    failures = models.PositiveIntegerField(default=0, help_text="Calls that failed one after the other.")
    opened = models.PositiveSmallIntegerField(default=0, help_text="How often it opened in a row; 0 while closed.")
    open_until = models.DateTimeField(null=True, blank=True, help_text="When one call may find out how it stands.")
    probe = models.CharField(max_length=32, blank=True, help_text="Who is finding out.")
    probe_until = models.DateTimeField(null=True, blank=True, help_text="When whoever finds out counts as dead.")
    forced = models.CharField(max_length=6, choices=Forced, blank=True)
    forced_by = models.CharField(max_length=150, blank=True)
    forced_because = models.CharField(max_length=500, blank=True)
    forced_at = models.DateTimeField(null=True, blank=True)

    objects = CircuitBreakerQuerySet.as_manager()

    class Meta:
        verbose_name = "gateway"
        verbose_name_plural = "gateways"
        default_permissions: ClassVar = ["view"]
        permissions: ClassVar = [("force_circuit", "Can have a gateway left alone or asked, and back to automatic")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(forced="", forced_at__isnull=True) | ~Q(forced="") & Q(forced_at__isnull=False),
                name="circuit_forced_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(opened=0, open_until__isnull=True) | Q(opened__gt=0, open_until__isnull=False),
                name="circuit_open_until_a_time",
            ),
        ]

    def __str__(self) -> str:
        return self.gateway


class GatewayCallQuerySet(models.QuerySet["GatewayCall"]):
    def since(self, span: Any) -> Self:
        return self.filter(at__gt=Now() - span)


class GatewayCall(models.Model):
    """One exchange with a gateway or carrier, redacted. Rows are added and, when they are old, pruned; never changed.

    The order is told by its saga, where one made the call.
    """

    class Outcome(models.TextChoices):
        """What the call came to, for whoever made it."""

        SUCCEEDED = "succeeded"
        PENDING = "pending"
        REQUIRES_ACTION = "requires_action"
        DECLINED = "declined"
        REFUSED = "refused"
        NEVER_SENT = "never_sent"
        UNKNOWN = "unknown"

    FAILURES: ClassVar = (Outcome.NEVER_SENT, Outcome.UNKNOWN)
    """What is the gateway's fault, or the way's to it."""

    gateway = models.CharField(max_length=60)
    operation = models.CharField(max_length=40)
    outcome = models.CharField(max_length=16, choices=Outcome)
    order = models.ForeignKey(Order, models.PROTECT, null=True, blank=True, related_name="gateway_calls")
    saga = models.ForeignKey(
        SagaExecution, models.PROTECT, null=True, blank=True, related_name="gateway_calls", db_index=False
    )
    step = models.ForeignKey(
        SagaStep, models.PROTECT, null=True, blank=True, related_name="gateway_calls", db_index=False
    )
    key = models.CharField(max_length=120, blank=True, help_text="The idempotency key it was sent with.")
    url = models.CharField(max_length=500)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Of HTTP; empty when nothing came.")
    milliseconds = models.PositiveIntegerField()
    request = models.JSONField(null=True, blank=True)
    answer = models.JSONField(null=True, blank=True)
    at = models.DateTimeField(db_default=Now())

    objects = GatewayCallQuerySet.as_manager()

    class Meta:
        default_permissions: ClassVar = ["view"]
        indexes: ClassVar = [
            models.Index(fields=["gateway", "-id"], name="gateway_call_by_gateway"),
            models.Index(fields=["saga", "id"], name="gateway_call_by_saga"),
            # For the figures of the last hour, and for what is old enough to be pruned.
            models.Index(fields=["at", "gateway"], name="gateway_call_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} #{self.pk}"
