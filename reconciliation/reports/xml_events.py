"""XML as a stream of events in flat memory. Document types are refused, and with them every entity."""

from collections.abc import Iterator
from typing import IO, Final, NamedTuple
from xml.parsers import expat

from reconciliation.reports.errors import refuse

_CHUNK: Final = 1 << 16
_MAX_TOKEN: Final = 1 << 20
"""Bytes of one tag with its attributes, which the parser has to keep whole."""


class Event(NamedTuple):
    """`kind` is start, end or text; names of elements and attributes come without their namespace."""

    kind: str
    name: str
    attributes: dict[str, str]


def events(stream: IO[bytes]) -> Iterator[Event]:
    """Raise ReportError for a document type, ExpatError for what is no XML."""
    waiting: list[Event] = []
    parser = _parser(waiting)
    fed = 0
    while chunk := stream.read(_CHUNK):
        parser.Parse(chunk, False)
        fed += len(chunk)
        if fed - parser.CurrentByteIndex > _MAX_TOKEN:
            raise refuse(1, "the workbook has a tag that no spreadsheet program writes")
        yield from waiting
        waiting.clear()
    parser.Parse(b"", True)
    yield from waiting


def _parser(waiting: list[Event]) -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def start(name: str, attributes: dict[str, str]) -> None:
        waiting.append(Event("start", _local(name), {_local(key): value for key, value in attributes.items()}))

    def end(name: str) -> None:
        waiting.append(Event("end", _local(name), {}))

    def text(data: str) -> None:
        waiting.append(Event("text", data, {}))

    def document_type(*_: object) -> None:
        raise refuse(1, "the workbook declares a document type, which no spreadsheet program writes")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = document_type
    return parser


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
