"""Attempts to take a customer's money, refunds, and every movement a gateway has reported."""

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from orders.ids import TypedModel
from orders.models import ACCESS_ALL_CLIENTS, Order
from payments.models.client_events import tell_charge, tell_refund
from payments.models.sagas import SagaExecution

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class ChargeQuerySet(models.QuerySet["ChargeAttempt"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if user.has_perm(ACCESS_ALL_CLIENTS) else self.filter(order__client_id=user.pk)

    def held(self) -> Self:
        """Those whose money is, or may yet become, the customer's loss."""
        is_paid = Q(status=ChargeAttempt.Status.CAPTURED, captured_minor__gt=F("refunded_minor"))
        return self.filter(Q(status__in=ChargeAttempt.UNCAPTURED) | is_paid)

    def live(self) -> Self:
        """Those of which an order has one at most: what is surplus pays for nothing."""
        return self.held().filter(is_surplus=False)


class ChargeAttempt(TypedModel):
    """One attempt to charge one order at one gateway. Amounts are in minor units of `currency`."""

    PREFIX = "ch"

    class Status(models.TextChoices):
        PENDING = "pending"
        UNKNOWN = "unknown"
        REQUIRES_ACTION = "requires_action"
        AUTHORIZED = "authorized"
        CAPTURED = "captured"
        VOIDED = "voided"
        DECLINED = "declined"
        FAILED = "failed"

    UNSETTLED = (Status.PENDING, Status.UNKNOWN, Status.REQUIRES_ACTION)
    UNCAPTURED = (*UNSETTLED, Status.AUTHORIZED)

    order = models.ForeignKey(Order, models.PROTECT, related_name="charges")
    saga = models.ForeignKey(SagaExecution, models.PROTECT, related_name="charges")
    gateway = models.CharField(max_length=32)
    gateway_reference = models.CharField(max_length=128, blank=True)
    payment_method = models.CharField(max_length=128, help_text="The gateway's token; never a card number.")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    authorized_minor = models.BigIntegerField(default=0)
    captured_minor = models.BigIntegerField(default=0)
    refunded_minor = models.BigIntegerField(default=0)
    refund_pending_minor = models.BigIntegerField(default=0)
    is_surplus = models.BooleanField(
        default=False, help_text="Its refund came back when the order was being paid anew: a person gives it back."
    )
    card_brand = models.CharField(max_length=32, blank=True)
    card_last4 = models.CharField(max_length=4, blank=True)
    card_country = models.CharField(max_length=2, blank=True)
    card_fingerprint = models.CharField(max_length=128, blank=True)
    avs_result = models.CharField(max_length=16, blank=True)
    cvv_result = models.CharField(max_length=16, blank=True)
    decline_code = models.CharField(max_length=64, blank=True)
    next_action_url = models.CharField(max_length=2000, blank=True)
    authorization_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = ChargeQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(status__in=["pending", "unknown", "requires_action", "authorized"])
                | Q(status="captured", captured_minor__gt=F("refunded_minor"), is_surplus=False),
                name="one_live_charge_per_order",
            ),
            models.UniqueConstraint(
                fields=["gateway", "gateway_reference"],
                condition=~Q(gateway_reference=""),
                name="one_charge_per_gateway_reference",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="charge_amount_positive"),
            models.CheckConstraint(
                condition=Q(refunded_minor__gte=0)
                & Q(refund_pending_minor__gte=0)
                & Q(captured_minor__gte=F("refunded_minor") + F("refund_pending_minor"))
                & Q(authorized_minor__gte=F("captured_minor"))
                & Q(amount_minor__gte=F("authorized_minor")),
                name="refunded_within_captured_within_authorized",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["status", "-id"], name="charge_by_status"),
            models.Index(fields=["card_last4", "-id"], name="charge_by_last4"),
            models.Index(fields=["gateway_reference"], name="charge_by_reference"),
            models.Index(fields=["gateway", "-id"], name="charge_by_gateway"),
        ]

    def __str__(self) -> str:
        return self.public_id

    def status_now(self) -> str:
        """As the row has it, whatever this copy says."""
        return str(ChargeAttempt.objects.values_list("status", flat=True).get(pk=self.pk))

    def reserve_refund(self, amount_minor: int) -> bool:
        """Set an amount aside to be given back; False when there is not that much left."""
        left = F("captured_minor") - F("refunded_minor") - F("refund_pending_minor")
        enough = ChargeAttempt.objects.annotate(left=left).filter(pk=self.pk, left__gte=amount_minor)
        if not enough.update(refund_pending_minor=F("refund_pending_minor") + amount_minor, updated_at=Now()):
            return False
        self.refund_pending_minor += amount_minor
        return True

    @property
    def refundable_minor(self) -> int:
        """What is captured, and neither given back nor about to be."""
        return self.captured_minor - self.refunded_minor - self.refund_pending_minor

    def advance(self, to: "ChargeAttempt.Status", **changes: Any) -> bool:
        """Compare-and-swap from any state that may go there; False when the charge has gone elsewhere meanwhile.

        The client's event of it comes with it, or neither does.
        """
        sources = [source for source, targets in NEXT.items() if to in targets]
        changes = {"status": to, **changes}
        with transaction.atomic(savepoint=False):
            if not ChargeAttempt.objects.filter(pk=self.pk, status__in=sources).update(updated_at=Now(), **changes):
                return False
            for name, value in changes.items():
                setattr(self, name, value)
            tell_charge(self)
        return True


_S = ChargeAttempt.Status
NEXT: dict[ChargeAttempt.Status, set[ChargeAttempt.Status]] = {
    _S.PENDING: {_S.UNKNOWN, _S.REQUIRES_ACTION, _S.AUTHORIZED, _S.DECLINED, _S.FAILED, _S.VOIDED},
    _S.UNKNOWN: {_S.REQUIRES_ACTION, _S.AUTHORIZED, _S.DECLINED, _S.FAILED, _S.VOIDED},
    _S.REQUIRES_ACTION: {_S.UNKNOWN, _S.AUTHORIZED, _S.DECLINED, _S.FAILED, _S.VOIDED},
    _S.AUTHORIZED: {_S.CAPTURED, _S.VOIDED},
    _S.CAPTURED: set(),
    _S.VOIDED: set(),
    _S.DECLINED: set(),
    _S.FAILED: set(),
}


class RefundQuerySet(models.QuerySet["Refund"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if user.has_perm(ACCESS_ALL_CLIENTS) else self.filter(charge__order__client_id=user.pk)

    def returned(self) -> Self:
        """Refunds that came back, and that no later one has made good."""
        later = Refund.objects.filter(
            charge=models.OuterRef("charge"),
            status=Refund.Status.SUCCEEDED,
            created_at__gt=models.OuterRef("returned_at"),
        )
        return self.filter(~models.Exists(later), returned_at__isnull=False)


class Refund(TypedModel):
    """Money going back; it reserves its amount on the charge before anything is sent."""

    PREFIX = "re"

    class Status(models.TextChoices):
        PENDING = "pending"
        UNKNOWN = "unknown"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    charge = models.ForeignKey(ChargeAttempt, models.PROTECT, related_name="refunds")
    saga = models.ForeignKey(SagaExecution, models.PROTECT, related_name="refunds")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=9, choices=Status, default=Status.PENDING)
    gateway_reference = models.CharField(max_length=128, blank=True)
    returned_at = models.DateTimeField(
        null=True, blank=True, help_text="When the gateway said that it had succeeded, and did not arrive after all."
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = RefundQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_amount_positive"),
            # A saga gives back what its charge still holds, once.
            models.UniqueConstraint(fields=["saga", "charge"], name="one_refund_per_saga_and_charge"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["status", "-id"], name="refund_by_status"),
            models.Index(fields=["id"], name="refund_returned", condition=Q(returned_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.public_id

    def decide(self, to: "Refund.Status", **changes: Any) -> bool:
        """Compare-and-swap out of what is undecided; False when somebody was first.

        The client's event of it comes with it, or neither does.
        """
        undecided = [Refund.Status.PENDING, Refund.Status.UNKNOWN]
        with transaction.atomic(savepoint=False):
            here = Refund.objects.filter(pk=self.pk, status__in=undecided)
            if not here.update(status=to, updated_at=Now(), **changes):
                return False
            self.status = to
            tell_refund(self)
        return True


class GatewayOutcome(models.Model):
    """A movement as the gateway reported it, however often and over whichever way it was learned."""

    class Source(models.TextChoices):
        ANSWER = "answer"
        LOOK_UP = "look_up"
        WEBHOOK = "webhook"
        PERSON = "person"

    gateway = models.CharField(max_length=32)
    operation = models.CharField(max_length=16)
    transaction_id = models.CharField(max_length=128)
    charge = models.ForeignKey(ChargeAttempt, models.PROTECT, related_name="outcomes")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    source = models.CharField(max_length=8, choices=Source)
    occurred_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["gateway", "operation", "transaction_id"], name="one_outcome_per_gateway_transaction"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.transaction_id}"
