"""The rows of a sheet of an XLSX workbook as texts, in flat memory and without a float.

A workbook is a ZIP archive of XML files. Source: ECMA-376 part 1, chapter 18.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from posixpath import join, normpath
from typing import BinaryIO, Final
from xml.parsers.expat import ExpatError
from zipfile import BadZipFile, ZipFile

from reconciliation.reports.conventions import Conventions
from reconciliation.reports.errors import refuse
from reconciliation.reports.sheet_cells import Cells, Strings, Styles, column_of
from reconciliation.reports.tables import Line
from reconciliation.reports.xml_events import Event, events

MAX_EXPANDED: Final = 2 << 30
"""Bytes, of all parts unpacked: a sheet's full 1,048,576 rows of twenty cells need about half of it."""
MAX_PARTS: Final = 1000
_MAX_CELL: Final = 32_767
"""Characters, as Excel has it."""


def rows(file: BinaryIO, conventions: Conventions) -> Iterator[Line]:
    """The rows that have cells, each as wide as the widest so far. Raise ReportError where the workbook is damaged."""
    wanted = conventions.mapping.sheet if conventions.mapping else ""
    date_format = conventions.mapping.date_format if conventions.mapping else ""
    with _sound(), ZipFile(file) as archive, Strings() as strings:
        _refuse_bombs(archive)
        path, is_1904 = _sheet(archive, wanted)
        strings.fill(_texts(archive))
        styles = Styles(_part(archive, "xl/styles.xml"))
        cells = Cells(strings, styles, is_1904=is_1904, decimal=conventions.decimal, date_format=date_format)
        yield from _rows(_part(archive, path), cells)


@contextmanager
def _sound() -> Iterator[None]:
    try:
        yield
    except (BadZipFile, zlib.error, EOFError, KeyError, ValueError, ExpatError, RuntimeError) as error:
        raise refuse(1, f"the workbook is damaged, cut off or no workbook ({error})") from error


def _refuse_bombs(archive: ZipFile) -> None:
    """A part cannot unpack to more than it declares: `zipfile` stops there."""
    parts = archive.infolist()
    size = sum(part.file_size for part in parts)
    if size > MAX_EXPANDED or len(parts) > MAX_PARTS:
        raise refuse(1, f"the workbook unpacks to {size} bytes in {len(parts)} parts, more than any report needs")


def _part(archive: ZipFile, path: str) -> Iterator[Event]:
    """Nothing for a part that is not there."""
    if path in archive.namelist():
        with archive.open(path) as stream:
            yield from events(stream)


def _sheet(archive: ZipFile, wanted: str) -> tuple[str, bool]:
    """The path of the sheet of that name, or of the first, and whether the workbook counts its days from 1904."""
    sheets: dict[str, str] = {}
    is_1904 = False
    for event in _part(archive, "xl/workbook.xml"):
        if event.kind == "start" and event.name == "sheet":
            sheets[event.attributes["name"]] = event.attributes["id"]
        if event.kind == "start" and event.name == "workbookPr":
            is_1904 = event.attributes.get("date1904") in {"1", "true"}
    if not sheets or (wanted and wanted not in sheets):
        raise refuse(1, f"there is no sheet {wanted!r}; there are {', '.join(sheets) or 'none'}")
    target = _targets(archive)[sheets[wanted or next(iter(sheets))]]
    return normpath(join("xl", target)).lstrip("/"), is_1904


def _targets(archive: ZipFile) -> dict[str, str]:
    related = (event for event in _part(archive, "xl/_rels/workbook.xml.rels") if event.name == "Relationship")
    return {event.attributes["Id"]: event.attributes["Target"] for event in related if event.kind == "start"}


def _texts(archive: ZipFile) -> Iterator[str]:
    """The shared strings. How a text is pronounced (`rPh`) is no part of it."""
    text, is_spoken, is_inside = "", False, False
    for event in _part(archive, "xl/sharedStrings.xml"):
        match event.kind, event.name:
            case "start", "si":
                text = ""
            case ("start" | "end") as kind, "rPh":
                is_spoken = kind == "start"
            case ("start" | "end") as kind, "t":
                is_inside = kind == "start" and not is_spoken
            case "text", data if is_inside:
                text = _bounded(text + data, 1)
            case "end", "si":
                yield text


def _rows(sheet: Iterator[Event], cells: Cells) -> Iterator[Line]:
    width = 0
    for number, group in groupby(_cells(sheet), key=itemgetter(0)):
        row: list[str] = []
        for _, cell, text in group:
            place = column_of(cell.get("r", ""), len(row), number)
            row += [""] * (place - len(row)) + [cells.text(text, cell, number)]
        width = max(width, len(row))
        yield number, row + [""] * (width - len(row))


def _cells(sheet: Iterator[Event]) -> Iterator[tuple[int, dict[str, str], str]]:
    """The row's number, the cell's attributes and what is stored in it: a value, or a text in place."""
    number, cell, text, is_inside = 0, {}, "", False
    for event in sheet:
        match event.kind, event.name:
            case "start", "row":
                number = int(event.attributes.get("r", number + 1))
            case "start", "c":
                cell, text = event.attributes, ""
            case ("start" | "end") as kind, "v" | "t":
                is_inside = kind == "start"
            case "text", data if is_inside:
                text = _bounded(text + data, number)
            case "end", "c":
                yield number, cell, text


def _bounded(text: str, line: int) -> str:
    if len(text) > _MAX_CELL:
        raise refuse(line, f"has a cell of more than {_MAX_CELL} characters, which no spreadsheet program writes")
    return text
