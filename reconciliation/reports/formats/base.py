"""What every format does: say whether a header is its own, and turn lines into rows and problems."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

from reconciliation.reports.conventions import Conventions
from reconciliation.reports.errors import Problem, Problems
from reconciliation.reports.records import Header, Record
from reconciliation.reports.rows import Row
from reconciliation.reports.tables import Line, names_of


class Format(ABC):
    """Made for one file, which it walks through once.

    Then `disproved` is what the file's own sums say against its rows, and `checks` what they say in words. Both mean
    something only if every row could be read and none is there twice, so it is the caller who brings them up.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    reads_header: ClassVar[bool] = False
    """Whether the line it was told by is a record of it."""
    proves_its_end: ClassVar[bool] = False
    """Whether a file that was cut off cannot be taken for a whole one."""

    def __init__(self, conventions: Conventions, problems: Problems) -> None:
        self.conventions = conventions
        self.problems = problems
        self.checks: list[str] = []
        self.disproved: list[Problem] = []

    @classmethod
    @abstractmethod
    def missing(cls, cells: Sequence[str], conventions: Conventions) -> list[str]:
        """The columns that this line, taken for the header, lacks: none of them if it is one."""

    @abstractmethod
    def rows(self, header: Header, lines: Iterator[Line]) -> Iterator[Row]:
        """`lines` begin below the header, or with it for a format that reads it."""


class Columnar(Format):
    """One header, one record a line."""

    required: ClassVar[tuple[str, ...]]
    one_of: ClassVar[tuple[str, ...]] = ()
    """One of these there has to be too."""

    @classmethod
    def missing(cls, cells: Sequence[str], conventions: Conventions) -> list[str]:
        present = set(names_of(cells))
        missing = [name for name in cls.needed(conventions) if not present & set(names_of([name]))]
        return missing if not cls.one_of or present & set(names_of(cls.one_of)) else [*missing, " or ".join(cls.one_of)]

    @classmethod
    def needed(cls, conventions: Conventions) -> tuple[str, ...]:
        """The columns there have to be, as the format or the account names them."""
        return cls.required

    def rows(self, header: Header, lines: Iterator[Line]) -> Iterator[Row]:
        header.require_once([*self.needed(self.conventions), *self.one_of])
        last = header.line
        for line, cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            last = line
            if len(cells) != len(header):
                self.problems.add(wrong_width(line, len(cells), len(header)))
                continue
            record = Record(line, cells, header, self.conventions)
            row = self.row(record)
            if record.problems:
                self.problems.add(*record.problems)
            elif row is not None:
                yield row
        self.finish(last)

    @abstractmethod
    def row(self, record: Record) -> Row | None:
        """None for a line that is no movement. What cannot be read is noted in the record, and the row not used."""

    def finish(self, last: int) -> None:
        """Hold the sums of all rows against what the file says; its last row is in line `last`."""


def wrong_width(line: int, cells: int, names: int) -> Problem:
    return Problem(line, "", f"has {cells} cells under {names} column names: cut off, or split wrongly")
