"""What has to be known of all of a file before its rows are read: its checksum, and which encoding it is in."""

import codecs
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, Final

from reconciliation.reports.errors import refuse

CHUNK: Final = 1 << 18
_WORKBOOK: Final = b"PK\x03\x04"
_OLD_WORKBOOK: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like the next
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES: Final = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252"}
_SURROGATE: Final = re.compile("[\udc80-\udcff]")
_NO_SURROGATE: Final = re.compile("[\x80-\ud7ff\ue000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Survey:
    """`sha256` in hexadecimal over the raw bytes; `encoding` is empty for a workbook."""

    sha256: str
    size_bytes: int
    encoding: str
    is_ended: bool
    """Whether the last line has its line end."""

    @property
    def is_workbook(self) -> bool:
        return not self.encoding


def survey(file: BinaryIO, *, encoding: str = "") -> Survey:
    """Raise ReportError for an empty file, for what is no report at all, and where the encoding breaks.

    `encoding`, if given, is what the file has to be in. Else a byte order mark decides, then whether all of it is
    UTF-8, then whether all of it can be Windows-1252. Raise LookupError for an encoding nobody knows.
    """
    if encoding:
        codecs.lookup(encoding)
    file.seek(0)
    start = file.read(16)
    if not start:
        raise refuse(1, "the file is empty")
    if start.startswith(_OLD_WORKBOOK):
        raise refuse(1, "an Excel workbook of the old kind, or with a password: save it as .xlsx without one")
    if start.startswith(_WORKBOOK):
        return _of_bytes(file)
    marked = _marked(start)
    chosen = marked if _is_kind_of(marked, encoding) else encoding or _told_by_all_of(file)
    return _of_text(file, chosen)


def _of_bytes(file: BinaryIO) -> Survey:
    digest = hashlib.sha256()
    for chunk in _chunks(file):
        digest.update(chunk)
    return Survey(digest.hexdigest(), file.tell(), encoding="", is_ended=True)


def _of_text(file: BinaryIO, encoding: str) -> Survey:
    """All of it is decoded once, so that no row is read from a file that breaks off into another encoding."""
    decoder, digest = codecs.getincrementaldecoder(encoding)(), hashlib.sha256()
    line, last = 1, ""
    for chunk in chain(_chunks(file), [b""]):
        digest.update(chunk)
        text = _decoded(decoder, chunk, encoding, line, last)
        line, last = line + _line_ends(last, text), text[-1:] or last
    return Survey(digest.hexdigest(), file.tell(), encoding, is_ended=last in "\r\n")


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(CHUNK):
        yield chunk


def _marked(start: bytes) -> str:
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    # Without a mark UTF-16 is told by the zeros in every letter of a header.
    if start[1::2].count(0) > len(start) // 4:
        return "utf-16-le"
    return "utf-16-be" if start[::2].count(0) > len(start) // 4 else ""


def _is_kind_of(marked: str, said: str) -> bool:
    """Whoever says UTF-8 need not know whether there is a mark."""
    return bool(marked) and marked.split("-")[:2] == ((said and codecs.lookup(said).name) or marked).split("-")[:2]


def _told_by_all_of(file: BinaryIO) -> str:
    """UTF-8 or Windows-1252. What is mostly one of them and partly not is a damaged file, not the other one."""
    is_utf8, is_other = False, False
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for chunk in _chunks(file):
        text = decoder.decode(chunk)
        if not text.isascii():
            is_utf8 = is_utf8 or bool(_NO_SURROGATE.search(text))
            is_other = is_other or bool(_SURROGATE.search(text))
    is_other = is_other or bool(decoder.getstate()[0])
    return "cp1252" if is_other and not is_utf8 else "utf-8"


def _decoded(decoder: codecs.IncrementalDecoder, chunk: bytes, encoding: str, line: int, last: str) -> str:
    """`line` and `last` are where the text before has ended, and its last character."""
    before = decoder.getstate()
    try:
        text = decoder.decode(chunk, final=not chunk)
    except UnicodeDecodeError as error:
        decoder.setstate(before)
        sound = decoder.decode(chunk[: max(0, error.start - len(before[0]))])
        raise refuse(line + _line_ends(last, sound), _broken(encoding)) from error
    if "\0" in text:
        raise refuse(line + _line_ends(last, text[: text.index("\0")]), "has a NUL character: this is no text")
    return text


def _line_ends(last: str, text: str) -> int:
    """LF, CR or both together; `last` is the character before `text`."""
    return text.count("\n") + text.count("\r") - (last + text).count("\r\n")


def _broken(encoding: str) -> str:
    return f"the bytes are not {_NAMES.get(encoding, encoding)}: the file is damaged, or its encoding has to be named"
