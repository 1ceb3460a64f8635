"""Disputes: payments that a customer's bank takes back, and what became of that."""

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orders.ids import TypedModel
from orders.models import ACCESS_ALL_CLIENTS
from payments.models.charges import ChargeAttempt

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class DisputeQuerySet(models.QuerySet["Dispute"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if user.has_perm(ACCESS_ALL_CLIENTS) else self.filter(charge__order__client_id=user.pk)

    def unanswered(self) -> Self:
        """What people still have to answer, or to decide not to; the most urgent first."""
        waiting = self.filter(status=Dispute.Status.OPEN, answered_at=None)
        return waiting.order_by(models.F("evidence_due_at").asc(nulls_last=True), "id")


class Dispute(TypedModel):
    """One dispute of a charge, as its gateway tells it. Amounts are in minor units of `currency`."""

    PREFIX = "dp"

    class Status(models.TextChoices):
        OPEN = "open"
        WON = "won"
        LOST = "lost"

    charge = models.ForeignKey(ChargeAttempt, models.PROTECT, related_name="disputes")
    gateway = models.CharField(max_length=32)
    gateway_reference = models.CharField(max_length=128, help_text="The gateway's own name of the dispute.")
    status = models.CharField(max_length=4, choices=Status, default=Status.OPEN)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=64, blank=True, help_text="As the customer's bank gives it.")
    is_withdrawn = models.BooleanField(default=False, help_text="The gateway has taken the amount from our balance.")
    evidence_due_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True, help_text="By the gateway's clock.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    answered_at = models.DateTimeField(
        null=True, blank=True, help_text="When somebody had sent evidence, or given it up."
    )
    answer_note = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = DisputeQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["gateway", "gateway_reference"], name="one_row_per_gateway_dispute"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="dispute_amount_positive"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["status", "-id"], name="dispute_by_status"),
            models.Index(
                fields=["evidence_due_at", "id"],
                name="dispute_unanswered",
                condition=Q(status="open", answered_at=None),
            ),
        ]
        permissions: ClassVar = [("answer_dispute", "Can take a dispute over and note what was answered")]

    def __str__(self) -> str:
        return self.public_id

    def advance(self, to: "Dispute.Status", **changes: Any) -> bool:
        """Compare-and-swap from any state that may go there; False when the dispute has gone elsewhere meanwhile."""
        sources = [source for source, targets in NEXT.items() if to in targets]
        found = Dispute.objects.filter(pk=self.pk, status__in=sources)
        if not found.update(status=to, updated_at=Now(), **changes):
            return False
        for name, value in {"status": to, **changes}.items():
            setattr(self, name, value)
        return True


_S = Dispute.Status
NEXT: dict[Dispute.Status, set[Dispute.Status]] = {
    _S.OPEN: {_S.WON, _S.LOST},
    # Banks may ask a second time, and that is the last word: in whatever order they are told, lost stays lost.
    _S.WON: {_S.LOST},
    _S.LOST: set(),
}
