"""Post what a gateway has done with money. The caller brings the transaction that learned of it."""

from payments.gateways.base import Operation, Outcome, Result
from payments.models import ChargeAttempt, LedgerPosting

Account = LedgerPosting.Account
Kind = LedgerPosting.Kind

DEFAULT, ELSEWHERE = "default", "elsewhere"
"""The gateway's account; the second is for what no account of it shows."""


def post_capture(charge: ChargeAttempt, outcome: Outcome, *, credit: LedgerPosting.Account = Account.SALES) -> None:
    """Money the gateway now owes us."""
    _post(charge, outcome, kind=Kind.CAPTURE, debit=Account.GATEWAY_CLEARING, credit=credit)


def post_refund(charge: ChargeAttempt, outcome: Outcome, *, debit: LedgerPosting.Account = Account.REFUNDS) -> None:
    """Money the gateway gave back on our account."""
    _post(charge, outcome, kind=Kind.REFUND, debit=debit, credit=Account.GATEWAY_CLEARING)


def post_refund_elsewhere(charge: ChargeAttempt, *, name: str, amount_minor: int) -> None:
    """Money people gave back past the gateway, under a `name` that no gateway knows: none of its reports has this."""
    told = Outcome(Operation.REFUND, Result.SUCCEEDED, name, charge.gateway_reference, amount_minor, charge.currency)
    _post(charge, told, kind=Kind.REFUND, debit=Account.REFUNDS, credit=Account.SUSPENSE, account=ELSEWHERE)


def _post(
    charge: ChargeAttempt,
    outcome: Outcome,
    *,
    kind: LedgerPosting.Kind,
    debit: LedgerPosting.Account,
    credit: LedgerPosting.Account,
    account: str = DEFAULT,
) -> None:
    LedgerPosting.objects.create(
        gateway=charge.gateway,
        gateway_account=account,
        kind=kind,
        transaction_id=outcome.transaction_id,
        debit=debit,
        credit=credit,
        amount_minor=outcome.amount_minor,
        currency=outcome.currency,
        charge=charge,
        occurred_at=outcome.occurred_at,
    )
