"""Adyen's settlement detail report: one batch, unsigned amounts in columns of debits and credits.

Source: https://docs.adyen.com/reporting/settlement-reconciliation/transaction-level/settlement-details-report
"""

from collections import defaultdict
from typing import ClassVar, Final

from orders.money import in_words
from reconciliation.reports.conventions import Conventions
from reconciliation.reports.errors import Problem, Problems
from reconciliation.reports.formats.base import Columnar
from reconciliation.reports.records import Record
from reconciliation.reports.rows import Row, RowType

SETTLED: Final = "Settled"
TYPES: Final = {
    SETTLED: RowType.CHARGE,
    "Refunded": RowType.REFUND,
    "RefundedReversed": RowType.REFUND_REVERSAL,
    "Chargeback": RowType.DISPUTE,
    "SecondChargeback": RowType.DISPUTE,
    "ChargebackReversed": RowType.DISPUTE_REVERSAL,
    "MerchantPayout": RowType.PAYOUT,
    **dict.fromkeys(("Fee", "MiscCosts", "InvoiceDeduction", "PaymentCost"), RowType.FEE),
    **dict.fromkeys(
        (
            *("DepositCorrection", "Balancetransfer", "PaidOut", "PaidOutReversed", "MatchedStatement"),
            *("ManualCorrected", "BankInstructionReturned", "EpaPaid", "ReserveAdjustment"),
        ),
        RowType.ADJUSTMENT,
    ),
}
COMMISSION: Final = "Commission (NC)"
PARTS: Final = ("Markup (NC)", "Scheme Fees (NC)", "Interchange (NC)")
"""`Payment Fees (NC)`, in newer files, is the total of these, and never added to them."""


class AdyenSettlement(Columnar):
    name = "adyen_settlement"
    title = "Adyen, settlement detail report"
    proves_its_end = True
    required: ClassVar[tuple[str, ...]] = (
        *("Psp Reference", "Merchant Reference", "Creation Date", "TimeZone", "Type", "Modification Reference"),
        *("Gross Currency", "Gross Debit (GC)", "Gross Credit (GC)"),
        *("Net Currency", "Net Debit (NC)", "Net Credit (NC)", COMMISSION, *PARTS, "Batch Number"),
    )

    def __init__(self, conventions: Conventions, problems: Problems) -> None:
        super().__init__(conventions, problems)
        self._balances: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])

    def row(self, record: Record) -> Row:
        """The settled gross is what net and fees make it: of a converted payment there is no other."""
        type_ = record.type("Type", TYPES)
        currency = record.currency("Net Currency")
        credit, debit = _sides(record, "Net Credit (NC)", "Net Debit (NC)", currency)
        fee, net = _fee(record, currency), credit - debit
        charged_currency, charged = self._charged(record, currency, settled=net + fee)
        if record.text("Type") == SETTLED and charged_currency == currency:
            column = "Net Credit (NC)" if credit else "Net Debit (NC)"
            record.expect_net(column, net, gross=charged, fee=fee, currency=currency)
        batch = record.text("Batch Number", is_required=True)
        self._add(batch, currency, credit, debit)
        payment, modification = record.text("Psp Reference"), record.text("Modification Reference")
        return Row(
            line=record.line,
            type=type_,
            native_type=record.text("Type"),
            transaction_id=modification or payment,
            # Costs and payouts have a description there, which several merchant accounts of one batch may share.
            entry_id=(modification or payment) if payment else "",
            reference=record.text(self.conventions.reference_column or "Merchant Reference"),
            charge_reference=payment,
            payout_id=batch,
            occurred_at=record.moment_of("Creation Date", "TimeZone"),
            currency=currency,
            gross_minor=net + fee,
            fee_minor=fee,
            net_minor=net,
            charged_currency=charged_currency,
            charged_minor=charged,
        )

    def finish(self, last: int) -> None:
        """What came into a batch has left it, by the payout at the latest."""
        if not self._balances:
            self.disproved.append(Problem(last, "", "there is no row below the header, and so no batch"))
        for (batch, currency), (credit, debit) in sorted(self._balances.items()):
            sums = f"credits of {in_words(credit, currency)}, debits of {in_words(debit, currency)}"
            if credit != debit:
                reason = f"batch {batch} does not come to nothing: {sums}"
                self.disproved.append(Problem(last, "Net Credit (NC)", reason))
            self.checks.append(f"batch {batch}: {sums}")

    def _add(self, batch: str, currency: str, credit: int, debit: int) -> None:
        balance = self._balances[batch, currency]
        balance[0] += credit
        balance[1] += debit

    @staticmethod
    def _charged(record: Record, currency: str, *, settled: int) -> tuple[str, int]:
        """Fees and payouts have no gross side."""
        charged_currency = record.currency("Gross Currency", is_required=False)
        credit, debit = _sides(record, "Gross Credit (GC)", "Gross Debit (GC)", charged_currency)
        if not charged_currency:
            if record.one_of("Gross Credit (GC)", "Gross Debit (GC)"):
                record.note("Gross Currency", "is empty beside an amount")
            return currency, settled
        return charged_currency, credit - debit


def _sides(record: Record, credit_column: str, debit_column: str, currency: str) -> tuple[int, int]:
    sides = [record.amount(name, currency, is_required=False) for name in (credit_column, debit_column)]
    for name, amount in zip((credit_column, debit_column), sides, strict=True):
        if amount < 0:
            record.note(name, "has a sign; the column alone says which way the money went")
    if all(sides):
        record.note(debit_column, f"is filled in beside {credit_column}: the money went one way only")
    return sides[0], sides[1]


def _fee(record: Record, currency: str) -> int:
    """Blended prices are a commission; otherwise the fee comes in its parts."""
    commission = record.amount(COMMISSION, currency, is_required=False)
    parts = sum(record.amount(name, currency, is_required=False) for name in PARTS)
    if commission and parts:
        record.note(COMMISSION, f"is filled in beside {', '.join(PARTS)}: which of them is the fee?")
    return commission or parts
