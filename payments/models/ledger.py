"""The ledger. A posting names both of its accounts and one amount, so an unbalanced one cannot be written down."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from payments.models.charges import ChargeAttempt


class LedgerPosting(models.Model):
    """One movement the gateway made: `amount_minor` from the credited account to the debited one. Append-only."""

    class Account(models.TextChoices):
        GATEWAY_CLEARING = "gateway_clearing"
        SALES = "sales"
        REFUNDS = "refunds"
        FEES = "fees"
        DISPUTES = "disputes"
        PAYOUTS = "payouts"
        SUSPENSE = "suspense"

    class Kind(models.TextChoices):
        CAPTURE = "capture"
        REFUND = "refund"
        FEE = "fee"
        DISPUTE = "dispute"
        PAYOUT = "payout"
        REVERSAL = "reversal"

    gateway = models.CharField(max_length=32)
    gateway_account = models.CharField(max_length=64, default="default")
    kind = models.CharField(max_length=8, choices=Kind)
    transaction_id = models.CharField(max_length=128)
    debit = models.CharField(max_length=16, choices=Account)
    credit = models.CharField(max_length=16, choices=Account)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    charge = models.ForeignKey(ChargeAttempt, models.PROTECT, null=True, related_name="postings")
    reverses = models.OneToOneField("self", models.PROTECT, null=True, related_name="reversed_by")
    occurred_at = models.DateTimeField(null=True)
    posted_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["gateway", "gateway_account", "kind", "transaction_id"],
                name="one_posting_per_gateway_transaction",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="posting_amount_positive"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="posting_moves_between_two_accounts"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["posted_at"], name="posting_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.transaction_id}"
