"""Separated values as lists of cells, each with the line it begins in."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import BinaryIO, Final, Self

from reconciliation.reports.errors import refuse

DELIMITERS: Final = (",", ";", "\t", "|")
MAX_LINE: Final = 1 << 17
"""Characters. No report has lines this long; a file without line ends would not fit into memory."""
MAX_LINES: Final = 1000
"""Of one record: texts within quotation marks may have several lines."""

Line = tuple[int, list[str]]
"""The number of the line a record begins in, as an editor counts, and its cells."""


def delimited(file: BinaryIO, encoding: str, delimiter: str, *, skip: int = 0) -> Iterator[Line]:
    """The records below the first `skip` lines. Raise ReportError at the first that is no such record."""
    with _decoded(file, encoding) as text:
        lines = _Lines(text)
        for _ in range(skip):
            next(lines)
        yield from _records(lines, delimiter)


def first_lines(file: BinaryIO, encoding: str, count: int) -> list[str]:
    with _decoded(file, encoding) as text:
        return [line for _, line in zip(range(count), _Lines(text), strict=False)]


def split(line: str, delimiter: str) -> list[str]:
    """One line alone."""
    return next(csv.reader([line], delimiter=delimiter), [])


@lru_cache
def name_of(cell: str) -> str:
    """How a column's name is compared: whatever its case and the space around and in it."""
    return " ".join(cell.casefold().split())


def names_of(cells: Sequence[str]) -> list[str]:
    return [name_of(cell) for cell in cells]


@contextmanager
def _decoded(file: BinaryIO, encoding: str) -> Iterator[io.TextIOWrapper]:
    """Leaves the file open: it is not ours. Whose it is may have closed it before the reading was given up."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, newline="")
    try:
        yield text
    finally:
        with suppress(ValueError):
            text.detach()


class _Lines:
    """The lines of a text, none of them and no record too long to be kept. `begun` is how many earlier records took."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.number = 0
        self.begun = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_LINE:
            raise refuse(self.number, f"is longer than {MAX_LINE} characters: no report has such lines")
        if self.number - self.begun > MAX_LINES:
            raise refuse(self.begun + 1, f"goes on for {MAX_LINES} lines: a quotation mark is missing or too much")
        return line


def _records(lines: _Lines, delimiter: str) -> Iterator[Line]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begun = lines.number
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = f"cannot be split into cells, a quotation mark is missing or too much ({error})"
            raise refuse(lines.begun + 1, reason) from error
        yield lines.begun + 1, cells
