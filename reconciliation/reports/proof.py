"""What has been read so far, and what the file's own sums say to it."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from reconciliation.reports.rows import Row, RowType


@dataclass(slots=True)
class Sums:
    """Amounts in minor units of one currency."""

    rows: int = 0
    gross_minor: int = 0
    fee_minor: int = 0
    net_minor: int = 0

    def add(self, row: Row) -> None:
        self.rows += 1
        self.gross_minor += row.gross_minor
        self.fee_minor += row.fee_minor
        self.net_minor += row.net_minor

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.rows + other.rows,
            self.gross_minor + other.gross_minor,
            self.fee_minor + other.fee_minor,
            self.net_minor + other.net_minor,
        )


@dataclass(slots=True, kw_only=True)
class Proof:
    """A file as it was found. It proves nothing before `is_complete`.

    `sha256` is over the raw bytes, in hexadecimal. `checks` says in words what was held against the file's own sums.
    """

    format: str
    sha256: str
    size_bytes: int
    encoding: str
    rows: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    sums: dict[tuple[str, RowType], Sums] = field(default_factory=lambda: defaultdict(Sums))
    """By currency and type."""
    checks: tuple[str, ...] = ()
    is_complete: bool = False

    def add(self, row: Row) -> None:
        self.rows += 1
        self.sums[row.currency, row.type].add(row)
        self.first_at = min(self.first_at or row.occurred_at, row.occurred_at)
        self.last_at = max(self.last_at or row.occurred_at, row.occurred_at)

    def activity(self, currency: str) -> Sums:
        """All that was earned and taken in this currency: every row but the payouts."""
        rows = (sums for (of, type_), sums in self.sums.items() if of == currency and type_ != RowType.PAYOUT)
        return sum(rows, Sums())
