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
    """Made for one file, which it walks through once. `checks` then says what the file has proved."""

    name: ClassVar[str]
    title: ClassVar[str]
    has_preamble: ClassVar[bool] = True
    """Whether what stands above the header is none of the format's business."""
    proves_its_end: ClassVar[bool] = False
    """Whether a file that was cut off cannot be taken for a whole one."""

    def __init__(self, conventions: Conventions, problems: Problems) -> None:
        self.conventions = conventions
        self.problems = problems
        self.checks: list[str] = []

    @classmethod
    @abstractmethod
    def missing(cls, cells: Sequence[str], conventions: Conventions) -> list[str]:
        """The columns that this line, taken for the header, lacks: none of them if it is one."""

    @abstractmethod
    def rows(self, header: Header, lines: Iterator[Line]) -> Iterator[Row]:
        """`lines` begin below the header, or at the top of the file for a format without a preamble."""


class Columnar(Format):
    """One header, one record a line."""

    required: ClassVar[tuple[str, ...]]

    @classmethod
    def missing(cls, cells: Sequence[str], conventions: Conventions) -> list[str]:
        present = set(names_of(cells))
        return [name for name in cls.needed(conventions) if not present & set(names_of(name.split(" or ")))]

    @classmethod
    def needed(cls, conventions: Conventions) -> tuple[str, ...]:
        """The columns there have to be; `a or b` where one of them will do."""
        return cls.required

    def rows(self, header: Header, lines: Iterator[Line]) -> Iterator[Row]:
        header.require_once([name for names in self.needed(self.conventions) for name in names.split(" or ")])
        last = header.line
        for line, cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            last = line
            if len(cells) != len(header):
                self._note(line, f"has {len(cells)} cells under {len(header)} column names: cut off, or split wrongly")
                continue
            record = Record(line, cells, header, self.conventions)
            row = self.row(record)
            if record.problems:
                self.problems.add(*record.problems)
            elif row is not None:
                yield row
        if not self.problems:
            self.finish(last)

    @abstractmethod
    def row(self, record: Record) -> Row | None:
        """None for a line that is no movement. What cannot be read is noted in the record, and the row not used."""

    def finish(self, last: int) -> None:
        """Add what all rows together prove wrong. Not asked when some could not be read: their sums say nothing."""

    def _note(self, line: int, reason: str, *, column: str = "") -> None:
        self.problems.add(Problem(line, column, reason))
