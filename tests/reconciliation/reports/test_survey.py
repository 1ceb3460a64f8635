"""Where an encoding breaks, in files that do not fit into one piece."""

import hashlib
from io import BytesIO

import pytest

from reconciliation.reports.errors import ReportError
from reconciliation.reports.survey import survey

LINES = 60_000
BROKEN = {
    "utf-8": b"\xff",
    "utf-16-le": b"\x00\xdc",  # half of a surrogate pair
    "utf-16-be": b"\xdc\x00",
    "cp1252": b"\x81",
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("encoding", BROKEN)
def test_the_line_is_counted_across_the_pieces_in_which_a_file_is_read(encoding: str, end: str) -> None:
    whole = [f"line {number}, é{end}".encode(encoding) for number in range(1, LINES + 1)]

    for line in (1, LINES // 2, LINES):
        data = b"".join([*whole[: line - 1], BROKEN[encoding], *whole[line - 1 :]])
        with pytest.raises(ReportError) as refusal:
            survey(BytesIO(data), encoding=encoding)
        assert refusal.value.line == line


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_one_accent_at_the_end_of_a_long_file_tells_its_encoding(encoding: str) -> None:
    data = ("plain\n" * LINES + "é\n").encode(encoding)

    found = survey(BytesIO(data))

    assert found.encoding == encoding
    assert (found.sha256, found.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert found.is_ended


def test_a_character_cut_in_two_at_the_end_is_no_other_encoding() -> None:
    with pytest.raises(ReportError) as refusal:
        survey(BytesIO("é\né".encode()[:-1]))

    assert refusal.value.line == 2
