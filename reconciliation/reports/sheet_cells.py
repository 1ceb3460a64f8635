"""What the cell of a sheet says: a shared text, a number as Excel shows it, or a date hidden in a number."""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from tempfile import TemporaryFile
from types import TracebackType
from typing import Final, Self

from reconciliation.reports.errors import refuse
from reconciliation.reports.xml_events import Event

_MAX_COLUMNS: Final = 16_384
_SHOWN: Final = Context(prec=15)
"""Excel keeps binary fractions, writes 17 digits of them and shows 15: 1.1 may be stored as 1.1000000000000001."""
_SECONDS: Final = 86_400
_DATES: Final = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
"""The built-in number formats that show a date or a time."""
_NOT_CODE: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')


class Strings:
    """The workbook's texts in a temporary file, and in memory eight bytes for each. A context manager."""

    def __enter__(self) -> Self:
        self._file = TemporaryFile()
        self._offsets = array("Q", [0])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def fill(self, texts: Iterable[str]) -> None:
        for text in texts:
            written = self._file.write(text.encode("utf-8", "surrogatepass"))
            self._offsets.append(self._offsets[-1] + written)

    def __getitem__(self, place: int) -> str:
        """Raise KeyError for a text that is not there."""
        if not 0 <= place < len(self._offsets) - 1:
            raise KeyError(f"no shared text {place}")
        start, end = self._offsets[place], self._offsets[place + 1]
        self._file.seek(start)
        return self._file.read(end - start).decode("utf-8", "surrogatepass")


class Styles:
    """Which of the workbook's cell formats show a date."""

    def __init__(self, part: Iterator[Event]) -> None:
        codes: dict[str, str] = {}
        self._are_dates: list[bool] = []
        is_inside = False
        for event in part:
            if event.name == "cellXfs":
                is_inside = event.kind == "start"
            elif event.kind == "start" and event.name == "numFmt":
                codes[event.attributes["numFmtId"]] = event.attributes["formatCode"]
            elif event.kind == "start" and event.name == "xf" and is_inside:
                self._are_dates.append(_is_date(event.attributes.get("numFmtId", "0"), codes))

    def is_date(self, style: str) -> bool:
        return bool(style) and int(style) < len(self._are_dates) and self._are_dates[int(style)]


class Cells:
    """Cells as texts: numbers with `decimal` in them, dates in `date_format`, by default as ISO 8601 writes them."""

    def __init__(self, strings: Strings, styles: Styles, *, is_1904: bool, decimal: str, date_format: str) -> None:
        self._strings = strings
        self._styles = styles
        self._epoch = datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet has no zones
        self._decimal = decimal
        self._date_format = date_format or "%Y-%m-%d %H:%M:%S"

    def text(self, value: str, attributes: Mapping[str, str], line: int) -> str:
        """`value` is what the file has; `attributes` are the cell's: its type and its style."""
        kind = attributes.get("t", "n")
        if kind == "s":
            return self._strings[int(value)]
        if kind != "n" or not value:
            return value
        number = _number(value, line)
        if self._styles.is_date(attributes.get("s", "")):
            return self._date(number, line)
        return f"{number:f}".replace(".", self._decimal)

    def _date(self, days: Decimal, line: int) -> str:
        try:
            at = self._epoch + timedelta(seconds=int((days * _SECONDS).to_integral_value()))
        except OverflowError as error:
            raise refuse(line, f"has a date that no calendar has: {days}") from error
        return at.strftime(self._date_format)


def column_of(reference: str, following: int, line: int) -> int:
    """`C7` is 2; a cell without a reference follows the one before it."""
    letters = reference.rstrip("0123456789")
    place = following
    if letters:
        place = -1
        for letter in letters:
            place = (place + 1) * 26 + ord(letter) - ord("A")
    if not following <= place < _MAX_COLUMNS:
        raise refuse(line, f"has a cell {reference!r} where none can be")
    return place


def _number(value: str, line: int) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise refuse(line, f"has a number that is none: {value!r}") from error
    if not number.is_finite() or number.adjusted() >= 15:
        raise refuse(
            line, f"has the number {value}: of more than 15 digits Excel loses some; the column has to be text"
        )
    if number.adjusted() < -15:
        raise refuse(line, f"has the number {value}, which is too small to be meant")
    return _SHOWN.plus(number)


def _is_date(number_format: str, codes: Mapping[str, str]) -> bool:
    code = _NOT_CODE.sub("", codes.get(number_format, "")).casefold()
    return int(number_format) in _DATES or any(letter in code for letter in "ymdhs")
