"""A body is taken at its word or refused, and none makes a server error.

Every POST of the URL configuration takes part.
"""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api import calls
from tests.api.endpoints import Endpoint, endpoints
from tests.api.tables import contents
from tests.config.builders import bearer, make_token
from tests.payments.builders import Api
from tests.sandbox import Sandbox

POSTS: Final = [endpoint for endpoint in endpoints() if "POST" in endpoint.methods]
JSON_POSTS: Final = [endpoint for endpoint in POSTS if endpoint.needs_token]
PATIENCE_SECONDS: Final = 5.0
"""For one answer, on a machine that does other things too."""

FREE: Final = {("billing",), ("shipping",), ("metadata",), ("velocity",)}
"""Members whose own members are the client's to name."""

Place = tuple[str | int, ...]
"""Where something is in a body."""

pytestmark = pytest.mark.django_db
many = settings(
    max_examples=40,
    deadline=timedelta(seconds=PATIENCE_SECONDS),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Door:
    """One POST, called with a valid token and a new key each time."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        api = Api(calls.everything())
        self.path = endpoint.path(**calls.ids(endpoint, api))
        self.body = calls.call(endpoint).body()
        self._headers = bearer(make_token(api.user))
        self._http = Client(raise_request_exception=False)
        self._sent = 0

    def post(self, body: bytes, media_type: str = "application/json", **environ: Any) -> Any:
        self._sent += 1
        headers = {**self._headers, "Idempotency-Key": f"k{self._sent}"}
        sent: Any = body
        return self._http.generic("POST", f"/v1/{self.path}", sent, media_type, headers=headers, **environ)


@pytest.fixture
def door(sandbox: Sandbox, request: pytest.FixtureRequest) -> Door:
    return Door(request.param)


every_post = pytest.mark.parametrize("door", POSTS, indirect=True, ids=str)
every_json_post = pytest.mark.parametrize("door", JSON_POSTS, indirect=True, ids=str)


def refusal(answer: Any) -> int:
    assert 400 <= answer.status_code < 500, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    return int(answer.status_code)


def is_json_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body.decode()), dict)
    except (ValueError, RecursionError):
        return False


def places(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every leaf of a body."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*place, name))
    else:
        yield place, value


def changed(body: Any, place: Place, value: Any) -> Any:
    """A copy of the body with another value at the place."""
    if not place:
        return value
    copy: Any = dict(body) if isinstance(body, dict) else list(body)
    copy[place[0]] = changed(body[place[0]], place[1:], value)
    return copy


def with_raw(body: Any, place: Place, raw: str) -> bytes:
    """The body with this text at the place, as no JSON library would write it."""
    return json.dumps(changed(body, place, "*here*")).replace('"*here*"', raw).encode()


def dotted(place: Place) -> str:
    return ".".join(map(str, place))


class TestAnyBody:
    @every_post
    @given(body=st.binary(max_size=300))
    @many
    def test_bytes_are_no_server_error(self, door: Door, body: bytes) -> None:
        answer = door.post(body)

        assert answer.status_code < 500
        if body and not is_json_object(body):  # without a body it is an empty object
            refusal(answer)

    @every_json_post
    @given(value=json_values)
    @many
    def test_json_is_no_server_error(self, door: Door, value: Any) -> None:
        answer = door.post(json.dumps(value).encode())

        assert answer.status_code < 500
        if not isinstance(value, dict):
            assert refusal(answer) == 400

    @every_json_post
    @given(data=st.data())
    @many
    def test_a_valid_body_with_another_value_in_it_is_no_server_error(self, door: Door, data: st.DataObject) -> None:
        leaves = [place for place, _ in places(door.body)] or [()]
        place = data.draw(st.sampled_from(leaves))
        depth = data.draw(st.integers(0, len(place)))

        answer = door.post(json.dumps(changed(door.body, place[:depth], data.draw(json_values))).encode())

        assert answer.status_code < 500

    @every_json_post
    @given(data=st.data())
    @many
    def test_a_valid_body_with_a_piece_cut_out_or_put_in_is_no_server_error(
        self, door: Door, data: st.DataObject
    ) -> None:
        body = json.dumps(door.body).encode()
        first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(body))] * 2)))

        answer = door.post(body[:first] + data.draw(st.binary(max_size=8)) + body[last:])

        assert answer.status_code < 500


NOT_JSON: Final = {
    "nothing": b" ",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "UTF-32": "{}".encode("utf-32"),
    "half of a character": b'{"a": "\xc3"}',
    "an overlong character": b'{"a": "\xc0\x80"}',
    "a surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "half of a surrogate pair": b'{"a": "\\ud800"}',
    "half of a pair in a name": b'{"\\udfff": 1}',
    "a NUL": b'{"a": "\\u0000"}',
    "a raw NUL": b'{"a": "\x00"}',
    "a list": b"[]",
    "a text": b'"x"',
    "a null": b"null",
    "two documents": b"{}{}",
    "single quotes": b"{'a': 1}",
    "a comment": b"{} // no",
    "a trailing comma": b'{"a": 1,}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "a number beyond every float": b'{"a": 1e400}',
    "an integer beyond 64 bits": b'{"a": 9223372036854775808}',
    "an integer of a million digits": b'{"a": ' + b"9" * 1_000_000 + b"}",
    "a number with a leading zero": b'{"a": 007}',
    "Arabic digits": '{"a": \u0661\u0662}'.encode(),
    "a hundred thousand lists": b"[" * 100_000,
    "a hundred thousand objects": b'{"a":' * 100_000,
    "33 levels": b'{"a":' * 33 + b"1" + b"}" * 33,
    "a name twice": b'{"a": 1, "a": 1}',
    "a name twice, deep inside": b'{"a": {"b": [{"c": 1, "c": 2}]}}',
    "a name twice, written differently": b'{"a": 1, "\\u0061": 1}',
    "ten thousand names": b"{" + b",".join(b'"a": 1' for _ in range(10_000)) + b"}",
}


class TestStrictJson:
    @every_json_post
    def test_what_two_readers_could_read_differently_is_malformed(self, door: Door, subtests: pytest.Subtests) -> None:
        before = contents()
        for name, body in NOT_JSON.items():
            with subtests.test(name):
                started = time.perf_counter()

                answer = door.post(body)

                assert (refusal(answer), answer.json()["code"]) == (400, "malformed")
                assert time.perf_counter() - started < PATIENCE_SECONDS
        assert contents() == before

    @every_json_post
    @pytest.mark.parametrize("raw", ['"10"', "10.0", "1e1", "true", "[10]", "{}", '"\u0661\u0660"', "1" * 30, "-0.0"])
    def test_what_is_not_an_integer_is_not_taken_for_one(self, door: Door, raw: str) -> None:
        before = contents()
        for place, value in places(door.body):
            if type(value) is int:
                answer = door.post(with_raw(door.body, place, raw))

                assert refusal(answer) in (400, 422)
                if answer.status_code == 422:
                    assert [fault["field"] for fault in answer.json()["errors"]] == [dotted(place)]
        assert contents() == before

    @every_json_post
    @pytest.mark.parametrize("raw", ["10", "1.5", "true", "[]", '["a"]', "{}", '"\\ud83d"', '"a\\u0000b"'])
    def test_what_is_not_text_is_not_taken_for_it(self, door: Door, raw: str) -> None:
        before = contents()
        for place, value in places(door.body):
            if isinstance(value, str):
                answer = door.post(with_raw(door.body, place, raw))

                assert refusal(answer) in (400, 422)
                if answer.status_code == 422:
                    assert [fault["field"] for fault in answer.json()["errors"]] == [dotted(place)]
        assert contents() == before

    @every_json_post
    def test_an_unknown_member_is_named_wherever_it_is(self, door: Door) -> None:
        objects = {place[:depth] for place, _ in places(door.body) for depth in range(len(place))} | {()}
        for place in objects:
            inner: Any = door.body
            for name in place:
                inner = inner[name]
            if isinstance(inner, list) or place[-1:] in FREE:
                continue
            answer = door.post(json.dumps(changed(door.body, place, {**inner, "no_such_member": 1})).encode())

            assert refusal(answer) == 422
            assert [(fault["field"], fault["code"]) for fault in answer.json()["errors"]] == [
                (dotted((*place, "no_such_member")), "unknown")
            ]

    @every_json_post
    def test_every_fault_is_told_at_once_with_its_path(self, door: Door) -> None:
        wrong, leaves = door.body, [place for place, _ in places(door.body)]
        for place in leaves:
            wrong = changed(wrong, place, [])

        answer = door.post(json.dumps({**wrong, "no_such_member": 1}).encode())

        assert refusal(answer) == 422
        assert {fault["field"] for fault in answer.json()["errors"]} == {*map(dotted, leaves), "no_such_member"}
        assert all(fault["code"] and fault["message"] for fault in answer.json()["errors"])


class TestMediaTypes:
    @every_json_post
    @pytest.mark.parametrize(
        "media_type",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            "application/problem+json",
            "application/*",
            "nonsense",
            "\xff",
        ],
    )
    def test_another_media_type_is_not_read(self, door: Door, media_type: str) -> None:
        answer = door.post(b'{"a": 1}', media_type)

        assert (refusal(answer), answer.json()["code"]) == (415, "unsupported_media_type")

    @every_json_post
    @pytest.mark.parametrize("charset", ["utf-16", "latin-1", "\xff", ""])
    def test_another_charset_is_not_read(self, door: Door, charset: str) -> None:
        assert refusal(door.post(b'{"a": 1}', f"application/json; charset={charset}")) == 400

    @every_post
    def test_a_body_over_the_limit_is_not_read(self, door: Door) -> None:
        answer = door.post(b" " * (1024 * 1024 + 1))

        assert (refusal(answer), answer.json()["code"]) == (413, "too_large")
