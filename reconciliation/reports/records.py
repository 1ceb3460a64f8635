"""A record's cells by the names of their columns. What cannot be read is noted, and the reading goes on."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

from orders.money import in_words
from reconciliation.reports import amounts, times
from reconciliation.reports.conventions import Conventions
from reconciliation.reports.errors import Problem, refuse
from reconciliation.reports.rows import RowType
from reconciliation.reports.tables import name_of, names_of

NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that could not be read, in a row that nobody will see."""

T = TypeVar("T")


class Header:
    """Which column is where. Names are compared as `name_of` has them and shown as the file spells them."""

    def __init__(self, line: int, cells: Sequence[str]) -> None:
        self.line = line
        self.spelled = [cell.strip() for cell in cells]
        self._places = {name: place for place, name in enumerate(names_of(cells)) if name}

    def __len__(self) -> int:
        return len(self.spelled)

    def __contains__(self, name: str) -> bool:
        return name_of(name) in self._places

    def place(self, name: str) -> int | None:
        return self._places.get(name_of(name))

    def require_once(self, names: Sequence[str]) -> None:
        """Raise ReportError when the file has one of these columns twice: nobody could say which one counts."""
        present = names_of(self.spelled)
        for name in names:
            if present.count(name_of(name)) > 1:
                raise refuse(self.line, "this column is there twice", column=name)


class Record:
    """Every question about a cell is answered, with an empty or zero value when `problems` has got longer."""

    def __init__(self, line: int, cells: Sequence[str], header: Header, conventions: Conventions) -> None:
        self.line = line
        self.problems: list[Problem] = []
        self._cells = cells
        self._header = header
        self._conventions = conventions

    def text(self, name: str, *, is_required: bool = False) -> str:
        place = self._header.place(name)
        text = "" if place is None else self._cells[place].strip()
        if is_required and not text:
            self.note(name, "is empty")
        return text

    def one_of(self, *names: str) -> str:
        """The first of these columns that is there and filled in."""
        return next((text for name in names if (text := self.text(name))), "")

    def type(self, name: str, types: Mapping[str, RowType]) -> RowType:
        word = self.text(name, is_required=True)
        known = types.get(word) or types.get(word.casefold()) or self._conventions.types.get(word)
        if word and known is None:
            self.note(name, f"{word!r} is not a type known here; known are {', '.join(sorted(types))}")
        return known or RowType.ADJUSTMENT

    def currency(self, name: str, *, is_required: bool = True) -> str:
        text = self.text(name, is_required=is_required)
        return self.attempt(name, lambda: amounts.currency_code(text), "") if text else ""

    def amount(self, name: str, currency: str, *, is_required: bool = True) -> int:
        """In minor units; 0 for an empty cell that may be empty, and without a currency."""
        text = self.text(name, is_required=is_required)
        if not text or not currency:
            return 0
        how = self._conventions
        read = partial(amounts.from_major, text, currency, decimal=how.decimal, grouping=how.grouping)
        return self.attempt(name, read, 0)

    def charged(self, amount: str, currency_name: str, *, currency: str, gross: int) -> tuple[str, int]:
        """What the customer paid or got, and in which currency: as settled, where the file does not tell them apart.

        The column may leave out the sign; the direction is that of the money that was settled.
        """
        other = self.currency(currency_name, is_required=False)
        if not other or not self.text(amount):
            return currency, gross
        charged = abs(self.amount(amount, other))
        return other, -charged if gross < 0 else charged

    def expect_net(self, name: str, net: int, *, gross: int, fee: int, currency: str) -> None:
        if not self.problems and net != gross - fee:
            expected = f"{in_words(gross, currency)} less a fee of {in_words(fee, currency)}"
            self.note(name, f"{in_words(net, currency)} is not {expected}")

    def has(self, name: str) -> bool:
        return name in self._header

    def moment(self, name: str, *, zone: str = "", abbreviation: str = "") -> datetime:
        """UTC. `zone` is that of a time without an offset."""
        text = self.text(name, is_required=True)

        def read() -> datetime:
            return times.moment(text, times.zone_named(zone) if zone else None, abbreviation=abbreviation)

        return self.attempt(name, read, NO_TIME) if text else NO_TIME

    def moment_of(self, name: str, zone_name: str) -> datetime:
        """UTC, of a time beside the abbreviation of its zone, which the account's conventions translate."""
        abbreviation = self.text(zone_name, is_required=True)
        zone = "UTC" if abbreviation in {"UTC", "GMT"} else self._conventions.zones.get(abbreviation)
        if abbreviation and zone is None:
            known = ", ".join(sorted(self._conventions.zones)) or "none"
            self.note(
                zone_name, f"which time zone {abbreviation!r} is has to be said for the account; said are: {known}"
            )
        return self.moment(name, zone=zone, abbreviation=abbreviation) if zone else NO_TIME

    def attempt(self, name: str, read: Callable[[], T], instead: T) -> T:
        try:
            return read()
        except ValueError as error:
            self.note(name, str(error))
            return instead

    def note(self, name: str, reason: str) -> None:
        self.problems.append(self.problem(name, reason))

    def problem(self, name: str, reason: str) -> Problem:
        place = self._header.place(name)
        return Problem(self.line, name if place is None else self._header.spelled[place], reason)
