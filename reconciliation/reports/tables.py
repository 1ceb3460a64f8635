"""Separated values as lists of cells, each with the line it begins in."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import BinaryIO, Final

from reconciliation.reports.errors import refuse

DELIMITERS: Final = (",", ";", "\t", "|")
MAX_LINE: Final = 1 << 17
"""Characters. No report has lines this long; a file without line ends would not fit into memory."""

Line = tuple[int, list[str]]
"""The number of the line a record begins in, as an editor counts, and its cells."""


def delimited(file: BinaryIO, encoding: str, delimiter: str, *, skip: int = 0) -> Iterator[Line]:
    """The records below the first `skip` lines. Raise ReportError at the first that is no such record."""
    with _decoded(file, encoding) as text:
        physical = _physical(text)
        for _ in range(skip):
            next(physical)
        yield from _records(physical, delimiter, skip)


def first_lines(file: BinaryIO, encoding: str, count: int) -> list[str]:
    with _decoded(file, encoding) as text:
        return [line for _, line in zip(range(count), _physical(text), strict=False)]


def split(line: str, delimiter: str) -> list[str]:
    """One line alone; empty when quotes make no sense in it."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


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


def _records(physical: Iterator[str], delimiter: str, skip: int) -> Iterator[Line]:
    reader = csv.reader(physical, delimiter=delimiter, strict=True)
    while True:
        line = skip + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise refuse(
                line, f"cannot be split into cells, a quotation mark is missing or too much ({error})"
            ) from error
        yield line, cells


def _physical(text: io.TextIOWrapper) -> Iterator[str]:
    number = 0
    while line := text.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise refuse(number, f"is longer than {MAX_LINE} characters: no report has such lines")
        yield line
