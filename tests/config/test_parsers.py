import json
from contextlib import suppress
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from config.parsers import MAX_DEPTH, loads

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc"), JSON, max_size=4))
def test_plain_json_is_read_as_everybody_reads_it(document: dict[str, Any]) -> None:
    assert loads(json.dumps(document).encode()) == document
    assert loads(json.dumps(document, ensure_ascii=False).encode()) == document


@given(
    st.binary(max_size=200)
    | st.text('[]{}",:0123456789.eE+-\\u \0tfn\ud800', max_size=80).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )
)
def test_no_bytes_do_anything_but_parse_or_be_refused(body: bytes) -> None:
    with suppress(ParseError):
        assert isinstance(loads(body), dict)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON at line 1, column 1"),
        (b"[1]", "has to be a JSON object"),
        (b'"text"', "has to be a JSON object"),
        (b'{"a": 1, "a": 2}', 'The key "a" is there twice'),
        (b'{"x": {"a": 1, "b": 2, "a": 1}}', 'The key "a" is there twice'),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 9223372036854775808}', "does not fit 64 bits"),
        (b'{"a": -9223372036854775809}', "does not fit 64 bits"),
        (b'{"a": %s}' % (b"9" * 10_000), "does not fit 64 bits"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ('{"a": ١٢}'.encode(), "not JSON"),
        (b'{"a": 1} x', "not JSON at line 1, column 10"),
        (b"[" * 100_000, "deeper than"),
        (b'{"a":' * 100_000, "deeper than"),
        (b'{"a": %s1%s}' % (b"[" * MAX_DEPTH, b"]" * MAX_DEPTH), "deeper than"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        loads(body)


def test_the_deepest_document_allowed_is_read() -> None:
    levels = MAX_DEPTH - 1

    assert loads(b'{"a": %s1%s}' % (b"[" * levels, b"]" * levels))


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert loads(b'{"a": "\\ud83d\\ude00"}') == {"a": "😀"}


def test_a_card_number_as_a_key_is_not_repeated_to_the_client() -> None:
    with pytest.raises(ParseError, match=r"\[card \*\*\*\*4242\]"):
        loads(b'{"4242424242424242": 1, "4242424242424242": 2}')


@pytest.mark.urls("tests.config.urls")
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"a": 1}', "application/json", 200),
        (b'{"a": 1}', 'application/json; charset="UTF-8"', 200),
        (b'{"a": 1}', "application/json; charset=utf-16", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"\xff\x00", "application/json", 400),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"a", "multipart/form-data; boundary=x", 415),
        (b'{"a": 1}', "text/plain", 415),
        (b'{"a": 1}', "\xff/;;;", 415),
    ],
)
def test_a_request_gets_one_clear_answer(client: Client, body: bytes, content_type: str, status: int) -> None:
    answer = client.generic("POST", "/v1/test/echo", body, content_type)

    assert answer.status_code == status
    assert answer.json().get("code", "ok") in {"ok", "malformed", "unsupported_media_type"}


@pytest.mark.urls("tests.config.urls")
def test_the_bytes_can_still_be_read_after_parsing(client: Client) -> None:
    answer = client.generic("POST", "/v1/test/echo", b'{"a":  1}', "application/json")

    assert answer.json() == {"data": {"a": 1}, "bytes": 9}
