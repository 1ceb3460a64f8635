"""What one section of PayPal's report adds up to, held against its own footers."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from orders.money import in_words
from reconciliation.reports import amounts
from reconciliation.reports.errors import Problem
from reconciliation.reports.rows import Row, RowType


@dataclass(slots=True)
class Sides:
    """Credits and debits in minor units; a fee is on the side where PayPal books it, most often a debit."""

    credit: int = 0
    debit: int = 0
    fee_credit: int = 0
    fee_debit: int = 0

    def add(self, row: Row) -> None:
        self.credit += max(row.gross_minor, 0)
        self.debit += max(-row.gross_minor, 0)
        self.fee_credit += max(-row.fee_minor, 0)
        self.fee_debit += max(row.fee_minor, 0)


class Section:
    """Add its rows, then tell it each footer, then close it: what is wrong goes to `disproved`."""

    def __init__(self, line: int, disproved: list[Problem]) -> None:
        self.checks: list[str] = []
        self._line = line
        self._disproved = disproved
        self._rows = 0
        self._sides: dict[str, Sides] = defaultdict(Sides)
        self._footers: dict[str, int] = {}
        self._conversions: dict[str, Row] = {}

    @property
    def has_footers(self) -> bool:
        return bool(self._footers)

    def add(self, row: Row, *, pair: str | None = None) -> None:
        """`pair`: what the two sides of a conversion have in common; None leaves them unpaired."""
        self._rows += 1
        self._sides[row.currency].add(row)
        if row.type == RowType.CONVERSION and pair is not None:
            self._pair(row, pair)

    def expect_sums(self, line: int, cells: Sequence[str]) -> None:
        """Currency, then credits and debits, gross and of fees; which of a pair comes first is nobody's business."""
        try:
            currency = amounts.currency_code(cells[0])
            said = [amounts.from_minor(cell) for cell in cells[1:5]]
        except (IndexError, ValueError) as error:
            return self._note(line, f"this footer cannot be read: {error}")
        if currency in self._footers:
            return self._note(line, f"{currency} has had its footer in line {self._footers[currency]}")
        self._footers[currency] = line
        read = self._sides.get(currency, Sides())
        self._expect(line, currency, "gross", said[:2], [read.credit, read.debit])
        self._expect(line, currency, "fee", said[2:], [read.fee_credit, read.fee_debit])
        self.checks.append(
            f"footer {currency}: credits {in_words(read.credit, currency)}, debits {in_words(read.debit, currency)}"
        )
        return None

    def expect_rows(self, line: int, cells: Sequence[str]) -> None:
        if cells[:1] != [str(self._rows)]:
            self._note(line, f"counts {''.join(cells[:1])} transactions, but there are {self._rows}")
        self.checks.append(f"{self._rows} rows")

    def close(self, line: int) -> None:
        """All rows are under some footer, and conversions in pairs."""
        for currency in sorted(self._sides.keys() - self._footers.keys()):
            self._note(line, f"the footer of {currency} is missing in what begins in line {self._line}: cut off?")
        for row in self._conversions.values():
            self._note(row.line, "is half of a currency conversion, whose other half is missing")

    def _pair(self, row: Row, pair: str) -> None:
        """A debit in one currency and a credit in another, that name the same transaction."""
        other = self._conversions.pop(pair, None)
        if other is None:
            self._conversions[pair] = row
        elif other.currency == row.currency or (other.gross_minor < 0) == (row.gross_minor < 0):
            self._note(row.line, f"does not go with line {other.line} as the two sides of one currency conversion")

    def _expect(self, line: int, currency: str, what: str, said: list[int], read: list[int]) -> None:
        if sorted(said) != sorted(read):
            say, have = (" and ".join(in_words(side, currency) for side in sides) for sides in (said, read))
            self._note(line, f"{what} amounts of {say}, but the rows have credits and debits of {have}")

    def _note(self, line: int, reason: str) -> None:
        self._disproved.append(Problem(line, "", reason))
