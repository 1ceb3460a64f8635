"""Post what a gateway has done with money. The caller brings the transaction that learned of it."""

from typing import Any

from django.db.models import QuerySet

from payments.gateways.base import Outcome
from payments.models import ChargeAttempt, Dispute, LedgerPosting, Refund

Account = LedgerPosting.Account
Kind = LedgerPosting.Kind

DEFAULT, ELSEWHERE = "default", "elsewhere"
"""The gateway's account; the second is for what no account of it shows."""


def post_capture(charge: ChargeAttempt, outcome: Outcome, *, credit: LedgerPosting.Account = Account.SALES) -> None:
    """Money the gateway now owes us."""
    _post(charge, kind=Kind.CAPTURE, debit=Account.GATEWAY_CLEARING, credit=credit, **_facts_of(outcome))


def post_refund(charge: ChargeAttempt, outcome: Outcome, *, debit: LedgerPosting.Account = Account.REFUNDS) -> None:
    """Money the gateway gave back on our account."""
    _post(charge, kind=Kind.REFUND, debit=debit, credit=Account.GATEWAY_CLEARING, **_facts_of(outcome))


def post_refund_elsewhere(charge: ChargeAttempt, *, name: str, amount_minor: int) -> None:
    """Money people gave back past the gateway, under a `name` that no gateway knows: none of its reports has this."""
    facts = {"transaction_id": name, "amount_minor": amount_minor, "currency": charge.currency}
    _post(charge, kind=Kind.REFUND, debit=Account.REFUNDS, credit=Account.SUSPENSE, gateway_account=ELSEWHERE, **facts)


def reverse_refund(refund: Refund) -> None:
    """Money the gateway took back because the refund did not arrive."""
    _reverse(LedgerPosting.objects.get(charge=refund.charge, kind=Kind.REFUND, transaction_id=refund.gateway_reference))


def post_dispute(charge: ChargeAttempt, dispute: Dispute) -> None:
    """Money the gateway took from our balance. It may do so twice, when a dispute that was won is opened again."""
    name = f"{dispute.gateway_reference}:again" if has_dispute(dispute) else dispute.gateway_reference
    facts = {"transaction_id": name, "amount_minor": dispute.amount_minor, "currency": dispute.currency}
    _post(charge, kind=Kind.DISPUTE, debit=Account.DISPUTES, credit=Account.GATEWAY_CLEARING, **facts)


def reverse_dispute(dispute: Dispute) -> None:
    """Money that came back because the dispute was won."""
    _reverse(_disputed(dispute).get())


def has_dispute(dispute: Dispute) -> bool:
    """Whether the gateway's taking the amount is posted."""
    return _disputed(dispute).exists()


def _disputed(dispute: Dispute) -> QuerySet[LedgerPosting]:
    facts = {"charge_id": dispute.charge_id, "kind": Kind.DISPUTE, "transaction_id": dispute.gateway_reference}
    return LedgerPosting.objects.filter(**facts)


def _reverse(posting: LedgerPosting) -> None:
    """The same amount the other way: what is written is never changed."""
    LedgerPosting.objects.create(
        gateway=posting.gateway,
        gateway_account=posting.gateway_account,
        kind=Kind.REVERSAL,
        transaction_id=posting.transaction_id,
        debit=posting.credit,
        credit=posting.debit,
        amount_minor=posting.amount_minor,
        currency=posting.currency,
        charge_id=posting.charge_id,
        reverses=posting,
    )


def _facts_of(outcome: Outcome) -> dict[str, Any]:
    return {name: getattr(outcome, name) for name in ("transaction_id", "amount_minor", "currency", "occurred_at")}


def _post(charge: ChargeAttempt, **facts: Any) -> None:
    LedgerPosting.objects.create(gateway=charge.gateway, charge=charge, **{"gateway_account": DEFAULT, **facts})
