"""Which format a file has, told by the header it contains."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reconciliation.reports.conventions import Conventions
from reconciliation.reports.errors import ReportError, refuse
from reconciliation.reports.formats import FORMATS
from reconciliation.reports.formats.base import Format
from reconciliation.reports.records import Header
from reconciliation.reports.tables import DELIMITERS, Line, split

PREAMBLE: Final = 50
"""How many lines may stand above the header."""


@dataclass(frozen=True, slots=True)
class Found:
    format: type[Format]
    header: Header
    delimiter: str


def candidates(name: str, conventions: Conventions) -> list[type[Format]]:
    """Raise ValueError for a name that is no format's, and for the generic format without a mapping."""
    if name and name not in FORMATS:
        raise ValueError(f"no format is called {name!r}; known are {', '.join(sorted(FORMATS))}")
    if name == "generic" and conventions.mapping is None:
        raise ValueError("the generic format needs a column mapping")
    if name:
        return [FORMATS[name]]
    return [each for key, each in FORMATS.items() if key != "generic" or conventions.mapping]


def in_text(lines: Sequence[str], formats: Sequence[type[Format]], conventions: Conventions) -> Found:
    """Raise ReportError when no line is a header of these formats, or one is of several."""
    attempts = [
        (number, split(line, delimiter), delimiter)
        for number, line in enumerate(lines[:PREAMBLE], 1)
        for delimiter in DELIMITERS
    ]
    return _chosen(attempts, formats, conventions)


def in_sheet(lines: Sequence[Line], formats: Sequence[type[Format]], conventions: Conventions) -> Found:
    """As `in_text`, of rows that are split already."""
    return _chosen([(number, cells, "") for number, cells in lines], formats, conventions)


def _chosen(
    attempts: Sequence[tuple[int, list[str], str]], formats: Sequence[type[Format]], conventions: Conventions
) -> Found:
    for number, cells, delimiter in attempts:
        matching = [each for each in formats if not each.missing(cells, conventions)]
        if len(matching) > 1:
            names = " and ".join(each.name for each in matching)
            raise refuse(number, f"this header is that of {names}: name the format that is meant")
        if matching:
            return Found(matching[0], Header(number, cells), delimiter)
    raise _unknown(attempts, formats, conventions)


def _unknown(
    attempts: Sequence[tuple[int, list[str], str]], formats: Sequence[type[Format]], conventions: Conventions
) -> ReportError:
    """Says what comes nearest, and what it lacks."""
    known = "; ".join(f"{each.name} ({each.title})" for each in formats)
    nearest = max(_nearness(attempts, formats, conventions), key=lambda near: near[0], default=None)
    if nearest is None or nearest[0] <= 0:
        return refuse(1, f"no line up to line {PREAMBLE} is a header known here. Known are {known}")
    _, number, format_, missing = nearest
    lacking = (
        f"the columns {', '.join(missing)} are missing" if len(missing) > 1 else f"the column {missing[0]} is missing"
    )
    return refuse(
        number, f"looks like the header of {format_.name}, but {lacking}. Known are {known}", column=missing[0]
    )


def _nearness(
    attempts: Sequence[tuple[int, list[str], str]], formats: Sequence[type[Format]], conventions: Conventions
) -> Iterator[tuple[float, int, type[Format], list[str]]]:
    """The share of a format's columns that a line has."""
    for format_ in formats:
        wanted = len(format_.missing([], conventions))
        for number, cells, _ in attempts:
            missing = format_.missing(cells, conventions)
            yield (wanted - len(missing)) / wanted, number, format_, missing
