"""Post what a gateway has done with money. The caller brings the transaction that learned of it."""

from payments.gateways.base import Outcome
from payments.models import ChargeAttempt, LedgerPosting

Account = LedgerPosting.Account
Kind = LedgerPosting.Kind


def post_capture(charge: ChargeAttempt, outcome: Outcome, *, credit: LedgerPosting.Account = Account.SALES) -> None:
    """Money the gateway now owes us."""
    _post(charge, outcome, kind=Kind.CAPTURE, debit=Account.GATEWAY_CLEARING, credit=credit)


def post_refund(charge: ChargeAttempt, outcome: Outcome, *, debit: LedgerPosting.Account = Account.REFUNDS) -> None:
    """Money the gateway gave back on our account."""
    _post(charge, outcome, kind=Kind.REFUND, debit=debit, credit=Account.GATEWAY_CLEARING)


def _post(
    charge: ChargeAttempt,
    outcome: Outcome,
    *,
    kind: LedgerPosting.Kind,
    debit: LedgerPosting.Account,
    credit: LedgerPosting.Account,
) -> None:
    LedgerPosting.objects.create(
        gateway=charge.gateway,
        kind=kind,
        transaction_id=outcome.transaction_id,
        debit=debit,
        credit=credit,
        amount_minor=outcome.amount_minor,
        currency=outcome.currency,
        charge=charge,
        occurred_at=outcome.occurred_at,
    )
