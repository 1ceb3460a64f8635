"""PayPal's settlement report: typed records, sections with footers, amounts in minor units without a sign.

Source: https://developer.paypal.com/docs/reports/sftp-reports/settlement-report/
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

from reconciliation.reports import amounts
from reconciliation.reports.conventions import Conventions
from reconciliation.reports.errors import Problem, Problems
from reconciliation.reports.formats.base import Format, wrong_width
from reconciliation.reports.formats.paypal_codes import type_of
from reconciliation.reports.formats.paypal_sections import Section
from reconciliation.reports.records import Header, Record
from reconciliation.reports.rows import Row, RowType
from reconciliation.reports.tables import Line, names_of

REQUIRED: Final = (
    *("Transaction ID", "Invoice ID", "PayPal Reference ID", "Transaction Event Code"),
    *("Transaction Initiation Date", "Transaction Completion Date", "Transaction Debit or Credit"),
    *("Gross Transaction Amount", "Gross Transaction Currency", "Fee Debit or Credit", "Fee Amount", "Fee Currency"),
)
GROSS: Final = ("Gross Transaction Amount", "Transaction Debit or Credit")
FEE: Final = ("Fee Amount", "Fee Debit or Credit")
ENDS: Final = frozenset({"RF", "RC", "FF"})


class PayPalSettlement(Format):
    name = "paypal_settlement"
    title = "PayPal, settlement report (STL)"
    reads_header: ClassVar[bool] = True
    proves_its_end = True

    def __init__(self, conventions: Conventions, problems: Problems) -> None:
        super().__init__(conventions, problems)
        self._header: Header | None = None
        self._section: Section | None = None
        self._report = Section(1, self.disproved)
        """All sections together, for the footers of the whole report."""
        self._is_whole = False

    @classmethod
    def missing(cls, cells: Sequence[str], conventions: Conventions) -> list[str]:
        if cells[:1] in (["RH"], ["FH"]):
            return []
        present = set(names_of(cells[1:])) if cells[:1] == ["CH"] else set()
        return [name for name in REQUIRED if not present & set(names_of([name]))]

    def rows(self, header: Header, lines: Iterator[Line]) -> Iterator[Row]:
        line, kind = 0, ""
        for line, cells in lines:
            if not any(cells):
                continue
            kind = cells[0]
            if kind == "SB":
                row = self._body(line, cells[1:])
                if row is not None:
                    yield row
            else:
                self._record(line, kind, cells[1:])
        self._close(line)
        if self._report.has_footers:
            self._report.close(line)
        if kind not in ENDS:
            self._note(line, "is the last line, but no end of a report (RF, RC or FF): the file was cut off")

    def _record(self, line: int, kind: str, cells: Sequence[str]) -> None:
        match kind:
            case "RH":
                self._is_whole = True
            case "SH":
                self._close(line)
                self._section, self._header = Section(line, self.disproved), None
            case "CH":
                self._columns(line, cells)
            case "SF" | "SC" | "RF" | "RC":
                self._footer(line, kind, cells)
            case "FH" | "FF":
                pass
            case _:
                self._note(line, f"begins with {kind!r}, which is no record of this report")

    def _footer(self, line: int, kind: str, cells: Sequence[str]) -> None:
        """Those of the report are about all of its files: they prove this one if it is the only one."""
        totals = self._section if kind.startswith("S") else self._report
        if totals is None:
            self._note(line, f"is a footer ({kind}) outside of a section")
        elif totals is self._section or self._is_whole:
            expect = totals.expect_sums if kind.endswith("F") else totals.expect_rows
            expect(line, cells)

    def _columns(self, line: int, cells: Sequence[str]) -> None:
        self._header = Header(line, cells)
        self._header.require_once(REQUIRED)
        missing = self.missing(["CH", *cells], self.conventions)
        self.problems.add(*(Problem(line, name, "this column is missing") for name in missing))

    def _close(self, line: int) -> None:
        if self._section:
            self._section.close(line)
            self.checks += self._section.checks
        self._section = None

    def _body(self, line: int, cells: Sequence[str]) -> Row | None:
        if self._section is None or self._header is None:
            self._note(line, "is a transaction outside of a section, or above its columns")
            return None
        if self._section.has_footers:
            self._note(line, "is a transaction below the footers of its section")
        if len(cells) != len(self._header):
            self.problems.add(wrong_width(line, len(cells), len(self._header)))
            return None
        record = Record(line, cells, self._header, self.conventions)
        row = self._row(record)
        if record.problems:
            self.problems.add(*record.problems)
            return None
        self._section.add(row, pair=record.text("PayPal Reference ID"))
        self._report.add(row)
        return row

    def _row(self, record: Record) -> Row:
        code = record.text("Transaction Event Code", is_required=True)
        currency = record.currency("Gross Transaction Currency")
        gross, fee = _signed(record, *GROSS), -_signed(record, *FEE)
        if fee and record.currency("Fee Currency") != currency:
            record.note("Fee Currency", f"is not {currency}, the currency of the transaction")
        type_ = record.attempt(
            "Transaction Event Code", lambda: type_of(code, gross, self.conventions.types), RowType.ADJUSTMENT
        )
        identity = record.text("Transaction ID", is_required=True)
        is_charge = type_ == RowType.CHARGE
        is_named = record.text("PayPal Reference ID Type") == "TXN"
        return Row(
            line=record.line,
            type=type_,
            native_type=code,
            transaction_id=identity,
            entry_id=identity,
            reference=record.text(self.conventions.reference_column or "Invoice ID"),
            charge_reference=identity if is_charge else record.text("PayPal Reference ID") if is_named else "",
            occurred_at=record.moment("Transaction Completion Date"),
            currency=currency,
            gross_minor=gross,
            fee_minor=fee,
            net_minor=gross - fee,
            charged_currency=currency,
            charged_minor=gross,
        )

    def _note(self, line: int, reason: str) -> None:
        self.problems.add(Problem(line, "", reason))


def _signed(record: Record, amount_column: str, side_column: str) -> int:
    """A credit is positive. A transaction without a fee has neither amount nor side."""
    text, side = record.text(amount_column), record.text(side_column)
    if not text and not side and amount_column != GROSS[0]:
        return 0
    amount = record.attempt(amount_column, lambda: amounts.from_minor(text), 0)
    if side not in {"CR", "DR"} and (amount or side):
        record.note(side_column, f"{side!r} is neither CR nor DR")
    return -amount if side == "DR" else amount
