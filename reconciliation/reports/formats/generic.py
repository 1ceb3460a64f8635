"""Any other table, by the mapping of its columns that somebody has saved."""

from collections.abc import Sequence
from datetime import UTC, datetime

from reconciliation.reports import amounts, times
from reconciliation.reports.conventions import ColumnMapping, Conventions
from reconciliation.reports.errors import Problems
from reconciliation.reports.formats.base import Columnar
from reconciliation.reports.records import NO_TIME, Record
from reconciliation.reports.rows import Row


class Generic(Columnar):
    name = "generic"
    title = "CSV or XLSX with a column mapping"

    def __init__(self, conventions: Conventions, problems: Problems) -> None:
        super().__init__(conventions, problems)
        self._mapping = _mapping(conventions)
        self._types = {word.casefold(): type_ for word, type_ in self._mapping.types.items()}

    @classmethod
    def needed(cls, conventions: Conventions) -> tuple[str, ...]:
        of = _mapping(conventions)
        columns = (of.transaction_id, of.type, of.occurred_at, of.gross, of.currency, of.fee, of.net)
        return tuple(name for name in (*columns, of.reference, of.charge_reference, of.payout_id) if name)

    @classmethod
    def missing(cls, cells: Sequence[str], conventions: Conventions) -> list[str]:
        return super().missing(cells, conventions) if conventions.mapping else ["a column mapping"]

    def row(self, record: Record) -> Row:
        of = self._mapping
        currency = record.currency(of.currency) if of.currency else amounts.currency_code(of.currency_code)
        gross = record.amount(of.gross, currency)
        fee = record.amount(of.fee, currency, is_required=False) if of.fee else 0
        net = record.amount(of.net, currency) if of.net else gross - fee
        record.expect_net(of.net, net, gross=gross, fee=fee, currency=currency)
        identity = record.text(of.transaction_id, is_required=True)
        return Row(
            line=record.line,
            type=record.type(of.type, self._types),
            native_type=record.text(of.type),
            transaction_id=identity,
            entry_id=identity,
            reference=record.text(of.reference),
            charge_reference=record.text(of.charge_reference),
            payout_id=record.text(of.payout_id),
            occurred_at=self._moment(record),
            currency=currency,
            gross_minor=gross,
            fee_minor=fee,
            net_minor=net,
            charged_currency=currency,
            charged_minor=gross,
        )

    def finish(self, last: int) -> None:
        if self._mapping.net:
            self.checks.append(f"{self._mapping.net} = {self._mapping.gross} - {self._mapping.fee or 0} in every row")

    def _moment(self, record: Record) -> datetime:
        text = record.text(self._mapping.occurred_at, is_required=True)
        return record.attempt(self._mapping.occurred_at, lambda: self._read(text), NO_TIME) if text else NO_TIME

    def _read(self, text: str) -> datetime:
        zone = times.zone_named(self.conventions.zone) if self.conventions.zone else None
        if not self._mapping.date_format:
            return times.moment(text, zone, is_date_enough=True)
        at = datetime.strptime(text, self._mapping.date_format)  # noqa: DTZ007 - the format may have an offset, or else:
        return at.astimezone(UTC) if at.tzinfo else times.in_zone(at, zone)


def _mapping(conventions: Conventions) -> ColumnMapping:
    if conventions.mapping is None:
        raise ValueError("the generic format needs a column mapping")
    return conventions.mapping
