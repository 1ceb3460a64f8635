"""Who may call what: every address under `/v1/` x every method x everybody who may not.

An address that is added to the URL configuration joins by itself.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from django.test import Client
from knox.models import AuthToken
from knox.settings import CONSTANTS

from tests.api import calls
from tests.api.endpoints import Endpoint, endpoints
from tests.api.tables import contents
from tests.config.builders import bearer, make_token
from tests.orders.builders import make_client
from tests.payments.builders import Api
from tests.sandbox import Sandbox

PUBLIC: Final = {"", "openapi.json", "docs", "docs/errors", "webhooks/<str:gateway>"}
"""What needs no token: documents, and an intake whose credential is the signature."""
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

GUARDED: Final = [endpoint for endpoint in endpoints() if endpoint.needs_token]
HANDLED: Final = [(endpoint, method) for endpoint in GUARDED for method in endpoint.methods]
UNHANDLED: Final = [
    (endpoint, method) for endpoint in GUARDED for method in METHODS if method not in (*endpoint.methods, "OPTIONS")
]

Headers = dict[str, str]

pytestmark = pytest.mark.django_db


def nobody(_api: Api) -> Headers:
    return {}


def revoked(api: Api) -> Headers:
    token = make_token(api.user)
    AuthToken.objects.filter(token_key=token[: CONSTANTS.TOKEN_KEY_LENGTH]).delete()
    return bearer(token)


def expired(api: Api) -> Headers:
    return bearer(make_token(api.user, expiry=timedelta(seconds=-1)))


def inactive(_api: Api) -> Headers:
    user = calls.everything()
    user.is_active = False
    user.save(update_fields=["is_active"])
    return bearer(make_token(user))


STRANGERS: Final[tuple[Callable[[Api], Headers], ...]] = (nobody, revoked, expired, inactive)


@pytest.fixture
def api(sandbox: Sandbox) -> Api:
    """Whose objects it is about. They may do everything, and with their own."""
    return Api(calls.everything())


def ask(method: str, path: str, body: str, headers: Headers) -> Any:
    """What would succeed, were it the owner's."""
    sent = {**headers, "Idempotency-Key": "k"}
    return Client().generic(method, f"/v1/{path}", body, "application/json", headers=sent)


def body_of(endpoint: Endpoint, method: str) -> str:
    return json.dumps(calls.call(endpoint).body() if method == "POST" else {})


def refusal(answer: Any, method: str) -> tuple[int, str]:
    """A HEAD has no body that could tell the code."""
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, "" if method == "HEAD" else answer.json()["code"]


def test_nothing_else_is_public() -> None:
    assert {endpoint.route for endpoint in endpoints() if not endpoint.needs_token} == PUBLIC


@pytest.mark.parametrize(("endpoint", "method"), HANDLED, ids=str)
def test_who_has_no_valid_token_is_refused_and_changes_nothing(endpoint: Endpoint, method: str, api: Api) -> None:
    path, body = endpoint.path(**calls.ids(endpoint, api)), body_of(endpoint, method)
    for stranger in STRANGERS:
        headers = stranger(api)
        before = contents()

        answer = ask(method, path, body, headers)

        assert refusal(answer, method) == (401, "" if method == "HEAD" else "unauthenticated"), stranger.__name__
        assert answer["WWW-Authenticate"] == "Bearer"
        assert method == "HEAD" or answer.json()["detail"] == "Invalid credentials"
        assert contents() == before, stranger.__name__


@pytest.mark.parametrize(("endpoint", "method"), HANDLED, ids=str)
def test_who_lacks_the_permission_is_refused_and_changes_nothing(endpoint: Endpoint, method: str, api: Api) -> None:
    path, body = endpoint.path(**calls.ids(endpoint, api)), body_of(endpoint, method)
    api.user.groups.clear()
    headers = bearer(make_token(api.user))
    before = contents()

    answer = ask(method, path, body, headers)

    assert refusal(answer, method) == (403, "" if method == "HEAD" else "permission_denied")
    assert contents() == before


@pytest.mark.parametrize(("endpoint", "method"), [pair for pair in HANDLED if pair[0].arguments], ids=str)
def test_another_clients_object_is_not_there_and_stays_as_it_is(endpoint: Endpoint, method: str, api: Api) -> None:
    path, body = endpoint.path(**calls.ids(endpoint, api)), body_of(endpoint, method)
    other = make_client()
    other.user_permissions.add(*calls.permissions_of(endpoint, method))
    headers = bearer(make_token(other))
    before = contents()

    answer = ask(method, path, body, headers)

    assert refusal(answer, method) == (404, "" if method == "HEAD" else "not_found")
    assert contents() == before
    assert ask(method, path, body, bearer(make_token(api.user))).status_code < 300, "the owner is refused too"


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in GUARDED if endpoint.is_list], ids=str)
def test_a_list_shows_a_client_its_own_objects_alone(endpoint: Endpoint, api: Api) -> None:
    for maker in calls.OBJECTS.values():
        maker(api)
    others = Api(make_client())
    others.user.user_permissions.add(*calls.permissions_of(endpoint, "GET"))
    own = Api(api.user)

    assert own.get(endpoint.route).json()["results"]
    assert others.get(endpoint.route).json()["results"] == []


@pytest.mark.parametrize(("endpoint", "method"), UNHANDLED, ids=str)
def test_a_method_that_is_not_there_is_told_from_an_object_that_is_not(
    endpoint: Endpoint, method: str, api: Api
) -> None:
    path = endpoint.path(**dict.fromkeys(endpoint.arguments, "nothing"))
    headers = bearer(make_token(api.user))
    before = contents()

    anonymous = Client().generic(method, f"/v1/{path}")
    answer = Client().generic(method, f"/v1/{path}", headers=headers)

    assert refusal(anonymous, method)[0] == 401
    assert refusal(answer, method)[0] == 405
    assert set(answer["Allow"].split(", ")) == {*endpoint.methods, "OPTIONS"}
    assert contents() == before
