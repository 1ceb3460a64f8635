from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from django.db import InterfaceError, OperationalError, connections, models
from django.db.models import Q
from django.db.models.functions import Now

from orders.ids import TypedModel
from orders.models import ACCESS_ALL_CLIENTS
from payments.models.charges import ChargeAttempt

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


_GIVEN: Final = ("id", "gateway", "event_id", "kind", "body", "report", "status", "attempts", "error")
"""What a new row is given; the rest has defaults in the database, or comes later."""


class WebhookQuerySet(models.QuerySet["WebhookEvent"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Events about no known charge are nobody's own."""
        return self if user.has_perm(ACCESS_ALL_CLIENTS) else self.filter(charge__order__client_id=user.pk)

    def keep(self, event: "WebhookEvent") -> bool:
        """Insert what a gateway told, once; False when it is here already.

        Deliveries come by the thousand, so this is one statement, which commits by itself where the caller has begun
        no transaction; and a connection that was kept is not tried before it is used. If it turns out to be broken,
        the statement is sent once more over a new one: where it has got through before, it finds the row.
        """
        connection: Any = connections[self.db]  # Django's types do not know of health checks
        is_kept = connection.connection is not None and connection.health_check_enabled
        connection.health_check_done = True
        try:
            return _insert(event, connection)
        except (OperationalError, InterfaceError):
            if not is_kept or connection.in_atomic_block:
                raise
            connection.close()
            return _insert(event, connection)

    def due(self) -> Self:
        """What may be acted on now, oldest first."""
        waiting = self.filter(status__in=WebhookEvent.OPEN, next_attempt_at__lte=Now())
        return waiting.order_by("next_attempt_at")


def _insert(event: "WebhookEvent", connection: Any) -> bool:
    fields: list[Any] = [field for field in WebhookEvent._meta.local_concrete_fields if field.name in _GIVEN]
    columns, places = ", ".join(field.column for field in fields), ", ".join(["%s"] * len(fields))
    values = [field.get_db_prep_save(getattr(event, field.attname), connection) for field in fields]
    # The names are those of our own model.
    statement = f"INSERT INTO {WebhookEvent._meta.db_table} ({columns}) VALUES ({places}) ON CONFLICT DO NOTHING"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return bool(cursor.rowcount)


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
    report = models.JSONField(null=True, blank=True, help_text="What it tells, as read from what was signed.")
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
