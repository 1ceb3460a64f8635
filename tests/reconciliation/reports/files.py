"""Report files and the rows that have to come out of them, to be written in every way they arrive."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import Any, Final

from reconciliation.reports.conventions import Conventions
from reconciliation.reports.reading import Report
from reconciliation.reports.rows import Row, RowType

ORDER: Final = "ord_é1"
"""Its accent tells encodings apart."""

Cells = Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """A file that proves itself. `body` is how many lines at its end are movements, up to `footer` others."""

    format: str
    lines: Sequence[Sequence[str]]
    rows: Sequence[Row]
    conventions: Conventions = field(default_factory=Conventions)
    footer: int = 0

    def encoded(self, *, encoding: str = "utf-8", delimiter: str = ",", end: str = "\n", above: str = "") -> bytes:
        return (above + written(self.lines, delimiter=delimiter, end=end)).encode(encoding)

    def with_lines(self, lines: Sequence[Sequence[str]]) -> "Sample":
        return Sample(self.format, lines, self.rows, self.conventions, self.footer)

    def read(self, data: bytes, *, format: str = "") -> list[Row]:
        return list(Report(BytesIO(data), format=format or self.format, conventions=self.conventions))


def written(lines: Sequence[Sequence[str]], *, delimiter: str = ",", end: str = "\n") -> str:
    text = StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(lines)
    return text.getvalue()


def table(header: Sequence[str], rows: Sequence[Cells]) -> list[list[str]]:
    """Columns that a row does not name are empty."""
    unknown = {name for row in rows for name in row} - set(header)
    assert not unknown, unknown
    return [list(header), *([row.get(name, "") for name in header] for row in rows)]


def row(line: int, type_: RowType, native: str, entry: str, gross: int, fee: int, **facts: Any) -> Row:
    currency = facts.pop("currency", "USD")
    charged = {"charged_currency": currency, "charged_minor": gross}
    names = {"transaction_id": entry, "occurred_at": at(10)}
    amounts = {"currency": currency, "gross_minor": gross, "fee_minor": fee, "net_minor": gross - fee}
    return Row(line=line, type=type_, native_type=native, entry_id=entry, **{**names, **amounts, **charged, **facts})


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 1, 31, hour, minute, second, tzinfo=UTC)
