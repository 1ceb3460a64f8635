"""The sandbox gateway's `report.csv`: one line a movement, then one TOTAL line per currency over all of its lines."""

from collections import defaultdict
from typing import ClassVar, Final

from orders.money import in_words
from reconciliation.reports.conventions import Conventions
from reconciliation.reports.errors import Problem, Problems
from reconciliation.reports.formats.base import Columnar
from reconciliation.reports.proof import Sums
from reconciliation.reports.records import Record
from reconciliation.reports.rows import Row, RowType

TOTAL: Final = "TOTAL"
TYPES: Final = {
    type_.value: type_
    for type_ in (RowType.CHARGE, RowType.REFUND, RowType.DISPUTE, RowType.DISPUTE_REVERSAL, RowType.PAYOUT)
}


class Sandbox(Columnar):
    name = "sandbox"
    title = "Sandbox gateway, report.csv"
    proves_its_end = True
    required: ClassVar[tuple[str, ...]] = (
        *("transaction_id", "type", "reference", "created_at", "currency", "gross", "fee", "net"),
        *("status", "payout_id"),
    )

    def __init__(self, conventions: Conventions, problems: Problems) -> None:
        super().__init__(conventions, problems)
        self._sums: dict[str, Sums] = defaultdict(Sums)
        self._totals: dict[str, int] = {}

    def row(self, record: Record) -> Row | None:
        if record.text("transaction_id") == TOTAL:
            self._total(record)
            return None
        if self._totals:
            record.note("", "is below a TOTAL line, which is the end of the report")
        return self._movement(record)

    def finish(self, last: int) -> None:
        for currency, sums in self._sums.items():
            if currency not in self._totals:
                reason = f"the TOTAL line of {currency} is missing, for {sums.rows} rows: the file was cut off"
                self.disproved.append(Problem(last, "", reason))

    def _movement(self, record: Record) -> Row:
        currency = record.currency("currency")
        gross, fee, net = (record.amount(name, currency) for name in ("gross", "fee", "net"))
        record.expect_net("net", net, gross=gross, fee=fee, currency=currency)
        identity = record.text("transaction_id", is_required=True)
        row = Row(
            line=record.line,
            type=record.type("type", TYPES),
            native_type=record.text("type"),
            transaction_id=identity,
            entry_id=identity,
            reference=record.text("reference"),
            payout_id=record.text("payout_id"),
            occurred_at=record.moment("created_at"),
            currency=currency,
            gross_minor=gross,
            fee_minor=fee,
            net_minor=net,
            charged_currency=currency,
            charged_minor=gross,
        )
        self._sums[currency].add(row)
        return row

    def _total(self, record: Record) -> None:
        """The count is in the type's column."""
        currency = record.currency("currency")
        if currency in self._totals:
            record.note("currency", f"{currency} has had its TOTAL in line {self._totals[currency]}")
        self._totals[currency] = record.line
        read = self._sums.get(currency, Sums())
        if record.text("type") != str(read.rows):
            reason = f"TOTAL of {record.text('type')} rows in {currency}, but there are {read.rows}"
            self.disproved.append(record.problem("type", reason))
        for name, amount in (("gross", read.gross_minor), ("fee", read.fee_minor), ("net", read.net_minor)):
            said = record.amount(name, currency)
            if said != amount:
                sums = f"{in_words(said, currency)}, but the rows add up to {in_words(amount, currency)}"
                self.disproved.append(record.problem(name, f"TOTAL of {sums}"))
        self.checks.append(f"TOTAL {currency}: {read.rows} rows, net {in_words(read.net_minor, currency)}")
