"""Report files and the rows that have to come out of them, to be written in every way they arrive."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import Any, Final, Self

import pytest

from reconciliation.reports.conventions import Conventions
from reconciliation.reports.errors import Problem, ReportError
from reconciliation.reports.reading import Report, doctor
from reconciliation.reports.rows import Row, RowType

ORDER: Final = "ord_é1"
"""Its accent tells encodings apart."""

Cells = Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """A file that proves itself, and its rows; the movement of a row is `lines[row.line - 1]`."""

    format: str
    lines: Sequence[Sequence[str]]
    rows: Sequence[Row]
    conventions: Conventions = field(default_factory=Conventions)

    def encoded(self, *, encoding: str = "utf-8", delimiter: str = ",", end: str = "\n", above: str = "") -> bytes:
        return (above + written(self.lines, delimiter=delimiter, end=end)).encode(encoding)

    def having(self, lines: Sequence[Sequence[str]]) -> Self:
        return replace(self, lines=lines)

    def without(self, line: int) -> Self:
        return self.having([*self.lines[: line - 1], *self.lines[line:]])

    def changed(self, line: int, column: str, text: str) -> Self:
        """With another text in one cell of a movement or, for PayPal, of any record under the columns' names."""
        place = self.names.index(column)
        cells = list(self.lines[line - 1])
        return self.having([*self.lines[: line - 1], [*cells[:place], text, *cells[place + 1 :]], *self.lines[line:]])

    @property
    def names(self) -> Sequence[str]:
        return self.lines[self.rows[0].line - 2]

    def cell(self, line: int, column: str) -> str:
        return self.lines[line - 1][self.names.index(column)]

    def report(self, data: bytes | None = None) -> Report:
        """Recognised by its header."""
        return Report(BytesIO(self.encoded() if data is None else data), conventions=self.conventions)

    def doctored(self) -> list[Problem]:
        return doctor(BytesIO(self.encoded()), conventions=self.conventions)


def refused(sample: Sample, data: bytes | None = None) -> Problem:
    """Why nothing is imported from a file."""
    with pytest.raises(ReportError) as refusal:
        list(sample.report(data))
    return refusal.value.problem


def written(lines: Sequence[Sequence[str]], *, delimiter: str = ",", end: str = "\n") -> str:
    text = StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(lines)
    return text.getvalue()


def header(text: str) -> list[str]:
    """The names of columns, as the first line of a file has them."""
    return text.split(",")


def table(names: Sequence[str], rows: Sequence[Cells]) -> list[list[str]]:
    """Columns that a row does not name are empty."""
    unknown = {name for row in rows for name in row} - set(names)
    assert not unknown, unknown
    return [list(names), *([row.get(name, "") for name in names] for row in rows)]


def row(line: int, type_: RowType, native: str, entry: str, gross: int, fee: int, **facts: Any) -> Row:
    currency = facts.pop("currency", "USD")
    charged = {"charged_currency": currency, "charged_minor": gross}
    names = {"transaction_id": entry, "occurred_at": at(10)}
    amounts = {"currency": currency, "gross_minor": gross, "fee_minor": fee, "net_minor": gross - fee}
    return Row(line=line, type=type_, native_type=native, entry_id=entry, **{**names, **amounts, **charged, **facts})


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 1, 31, hour, minute, second, tzinfo=UTC)
