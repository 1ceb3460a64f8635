"""What a file leaves unsaid and its account's owner knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciliation.reports.rows import RowType


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMapping:
    """Where a file of no format known here keeps its facts: each names a column by its header.

    Without `fee` there are no fees; without `net` it is gross - fee. `currency_code` is for files without a column
    for it. `types` says what the values of the type column mean, whatever their case. `date_format` is that of
    `datetime.strptime`; without it dates are ISO 8601. `sheet` is the first one unless named.
    """

    transaction_id: str
    type: str
    occurred_at: str
    gross: str
    types: Mapping[str, RowType]
    currency: str = ""
    currency_code: str = ""
    fee: str = ""
    net: str = ""
    reference: str = ""
    charge_reference: str = ""
    payout_id: str = ""
    date_format: str = ""
    sheet: str = ""

    def __post_init__(self) -> None:
        if bool(self.currency) == bool(self.currency_code):
            raise ValueError("a mapping names either the column of the currency or the currency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """How one account's files are to be read.

    `zone` is the IANA name of the time zone of times that come without one; `zones` has one for each abbreviation the
    gateway writes beside its times. `decimal` and `grouping` are the separators in amounts. `types` adds the
    gateway's words this version does not know. `encoding` is for files that cannot be told by their bytes.
    `reference_column` is where our order is, if not at the format's usual place. `is_last_line_ended` is false for
    files whose last line never has a line end; else the lack of one tells that a file was cut off.
    """

    zone: str = ""
    zones: Mapping[str, str] = field(default_factory=dict)
    decimal: str = "."
    grouping: str = ""
    types: Mapping[str, RowType] = field(default_factory=dict)
    encoding: str = ""
    reference_column: str = ""
    is_last_line_ended: bool = True
    mapping: ColumnMapping | None = None

    def __post_init__(self) -> None:
        if self.decimal not in {".", ","} or self.grouping == self.decimal or len(self.grouping) > 1:
            raise ValueError(
                "amounts have '.' or ',' before their decimals, and another character or none between thousands"
            )
