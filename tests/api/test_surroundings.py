"""What surrounds a body: no query string, id, header or token makes a server error.

Every address of the URL configuration takes part.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api import calls
from tests.api.endpoints import Endpoint, endpoints
from tests.config.builders import bearer, make_token
from tests.payments.builders import Api
from tests.sandbox import Sandbox

LISTS: Final = [endpoint for endpoint in endpoints() if endpoint.is_list]
GUARDED: Final = [endpoint for endpoint in endpoints() if endpoint.needs_token]

pytestmark = pytest.mark.django_db
many = settings(
    max_examples=40, deadline=timedelta(seconds=5), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
moments = st.tuples(st.datetimes().map(datetime.isoformat), st.sampled_from(["", "Z", "+14:00"])).map("".join)


def refusal(answer: Any) -> int:
    assert 400 <= answer.status_code < 500, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    return int(answer.status_code)


@pytest.fixture
def api(sandbox: Sandbox) -> Api:
    return Api(calls.everything())


@pytest.mark.parametrize("endpoint", LISTS, ids=str)
@given(query=st.text(st.characters(codec="latin-1", exclude_characters="#\r\n"), max_size=60))
@many
def test_no_query_string_is_a_server_error(api: Api, endpoint: Endpoint, query: str) -> None:
    headers = bearer(make_token(api.user))

    assert Client().get(f"/v1/{endpoint.route}", QUERY_STRING=query, headers=headers).status_code < 500


@pytest.mark.parametrize("endpoint", LISTS, ids=str)
@given(data=st.data())
@many
def test_no_value_of_a_known_parameter_is_a_server_error(api: Api, endpoint: Endpoint, data: st.DataObject) -> None:
    names = [*endpoint.filters, "cursor", "page_size"]

    answer = api.get(endpoint.route, **{data.draw(st.sampled_from(names)): data.draw(st.text() | moments)})

    assert answer.status_code in (200, 400, 422)


@pytest.mark.parametrize("endpoint", LISTS, ids=str)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("page_size", value) for value in ("0", "101", "-1", "1.0", "1e1", "\u0661", "", " 1", "9" * 99)),
        *(("cursor", value) for value in ("", "x", "B" * 23, "=" * 24, "\u0661" * 23, "AAAA\n")),
    ],
)
def test_a_page_that_does_not_exist_is_malformed(api: Api, endpoint: Endpoint, name: str, value: str) -> None:
    assert refusal(api.get(endpoint.route, **{name: value})) in (400, 422)


@pytest.mark.parametrize("endpoint", GUARDED, ids=str)
@given(token=st.binary(max_size=80))
@many
def test_no_token_is_a_server_error(db: None, endpoint: Endpoint, token: bytes) -> None:
    path = endpoint.path(**dict.fromkeys(endpoint.arguments, "x"))
    header = f"Bearer {token.decode('latin-1')}".replace("\r", "").replace("\n", "")

    assert refusal(Client().get(f"/v1/{path}", HTTP_AUTHORIZATION=header)) == 401


@pytest.mark.parametrize("endpoint", [one for one in endpoints() if one.arguments], ids=str)
@given(name=st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=60))
@many
def test_no_id_is_a_server_error(api: Api, endpoint: Endpoint, name: str) -> None:
    path = endpoint.path(**dict.fromkeys(endpoint.arguments, "*here*")).replace("*here*", name)
    headers = {**bearer(make_token(api.user)), "Idempotency-Key": "k"}

    for method in endpoint.methods:
        answer = Client().generic(method, f"/v1/{path}".encode().decode("latin-1"), headers=headers)
        assert 400 <= answer.status_code < 500, name


@pytest.mark.parametrize("endpoint", GUARDED, ids=str)
@given(value=st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=60))
@many
def test_no_header_is_a_server_error(api: Api, endpoint: Endpoint, value: str) -> None:
    names = ("Accept", "Accept-Language", "Content-Encoding", "Cookie", "Forwarded", "Idempotency-Key", "Origin",
             "Prefer", "Range", "X-Forwarded-For", "X-Request-ID")  # fmt: skip
    path = endpoint.path(**dict.fromkeys(endpoint.arguments, "x"))
    headers = dict.fromkeys(names, value) | bearer(make_token(api.user))

    for method in endpoint.methods:
        assert Client().generic(method, f"/v1/{path}", "{}", headers=headers).status_code < 500
