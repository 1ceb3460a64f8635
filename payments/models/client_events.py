"""What clients are told: a row for each move of an order, a charge or a refund, written by the commit that makes it."""

import json
from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from django.conf import settings
from django.db import models
from django.db.models import Max, Q, Subquery
from django.db.models.functions import Coalesce, Now

from orders.ids import TypedModel
from orders.models import ACCESS_ALL_CLIENTS, Order

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from payments.models.charges import ChargeAttempt, Refund
    from payments.models.disputes import Dispute

ENDPOINT_DISABLED: Final = "webhook_endpoint.disabled"
TEST: Final = "webhook.test"
KINDS: Final = (
    *(
        f"order.{status}"
        for status in ("open", "requires_action", "in_review", "completed", "payment_failed", "cancelled")
    ),
    "order.needs_attention",
    *(f"charge.{status}" for status in ("requires_action", "authorized", "captured", "voided", "declined", "failed")),
    "refund.succeeded",
    "refund.failed",
    *(f"dispute.{status}" for status in ("open", "won", "lost")),
    ENDPOINT_DISABLED,
    TEST,
)
"""A move that has no kind is told to nobody: the client has just asked for it, or can do nothing about it."""

PATTERNS: Final = (*KINDS, *sorted({f"{kind.partition('.')[0]}.*" for kind in KINDS}), "*")
"""What an endpoint may ask for."""


class _AfterTheLast(Subquery):
    """The highest number so far. It reads other rows than the one that is inserted, which Django cannot know."""

    contains_column_references = False


class ClientEventQuerySet(models.QuerySet["ClientEvent"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if user.has_perm(ACCESS_ALL_CLIENTS) else self.filter(client_id=user.pk)

    def awaiting_fan_out(self) -> Self:
        """What no endpoint was looked for yet, oldest first."""
        return self.filter(fanned_out_at=None).order_by("pk")

    def tell(self, kind: str, subject: str, data: Mapping[str, Any], *, client_id: int, **fields: Any) -> "ClientEvent":
        """Write an event down, in one statement. The caller's transaction holds the row of the subject."""
        earlier = self.filter(subject=subject).order_by().values("subject").annotate(last=Max("sequence"))
        number: Any = Coalesce(_AfterTheLast(earlier.values("last")), 0) + 1
        return self.create(
            client_id=client_id, kind=kind, subject=subject, sequence=number, data={**data, "id": subject}, **fields
        )


class ClientEvent(TypedModel):
    """Something that happened to an object of a client's. `data` is as it was then, and never changes."""

    PREFIX = "cev"

    client = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    kind = models.CharField("type", max_length=40, choices=[(kind, kind) for kind in KINDS])
    subject = models.CharField(max_length=64, help_text="Public id of what it is about.")
    sequence = models.PositiveIntegerField(help_text="Rises with each event of one subject, beginning with 1.")
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    fanned_out_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was decided which endpoints it is sent to."
    )

    objects = ClientEventQuerySet.as_manager()

    class Meta:
        verbose_name = "event"
        default_permissions: ClassVar = ["view"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["subject", "sequence"], name="one_event_per_subject_and_number"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["client", "-id"], name="client_event_by_client"),
            models.Index(fields=["kind", "-id"], name="client_event_by_kind"),
            models.Index(fields=["id"], name="client_event_to_fan_out", condition=Q(fanned_out_at=None)),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def body(self) -> bytes:
        """What is sent: the same bytes each time, in the form that Standard Webhooks recommends."""
        timestamp = self.created_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        data = dict(sorted(self.data.items()))  # databases give members back in orders of their own
        told = {"type": self.kind, "timestamp": timestamp, "data": data}
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def tell_order(order: Order) -> None:
    """Called by every move of an order, through `settings.ORDER_MOVED`. Nothing personal leaves the house."""
    _tell(
        "order",
        order,
        client_id=order.client_id,
        reference=order.reference,
        amount=order.amount_minor,
        amount_paid=order.paid_minor,
    )


def tell_charge(charge: "ChargeAttempt") -> None:
    _tell(
        "charge",
        charge,
        client_id=charge.order.client_id,
        order=charge.order.public_id,
        gateway=charge.gateway,
        amount=charge.amount_minor,
        amount_authorized=charge.authorized_minor,
        amount_captured=charge.captured_minor,
        amount_refunded=charge.refunded_minor,
        decline_code=charge.decline_code,
    )


def tell_refund(refund: "Refund") -> None:
    _tell_of_charge("refund", refund)


def tell_dispute(dispute: "Dispute") -> None:
    _tell_of_charge("dispute", dispute)


def _tell_of_charge(what: str, row: "Refund | Dispute") -> None:
    """What was given back of a charge, or is taken back."""
    order = row.charge.order
    facts = {"order": order.public_id, "charge": row.charge.public_id, "amount": row.amount_minor}
    _tell(what, row, client_id=order.client_id, **facts, reason=row.reason)


def _tell(what: str, row: Any, *, client_id: int, **facts: Any) -> None:
    kind = f"{what}.{row.status}"
    if kind in KINDS:
        data = {"object": what, "status": str(row.status), "currency": row.currency, **facts}
        ClientEvent.objects.tell(kind, row.public_id, data, client_id=client_id)
