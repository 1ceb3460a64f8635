from datetime import timedelta

import pytest
import structlog
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from knox.models import AuthToken
from pytest_django import DjangoAssertNumQueries

from tests.config.builders import bearer, make_token, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.config.urls")]


@pytest.fixture
def user() -> User:
    return make_user("shop", "auth.view_user")


def test_a_token_speaks_for_its_user(client: Client, user: User) -> None:
    answer = client.get("/v1/test/users", headers=bearer(make_token(user)))

    assert answer.json() == {"user": "shop"}


def test_the_client_is_on_the_log_lines_of_its_request(client: Client, user: User) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        client.get("/v1/test/users", headers=bearer(make_token(user)))

    assert {line["event"]: line["client"] for line in lines} == {"users_listed": "shop", "request_finished": "shop"}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer " + "0" * 64,
        "Bearer \xff\xfe",
        "Bearer \0",
        "Bearer " + "x" * 9000,
        "Basic dXNlcjpwYXNz",
        "Token " + "0" * 64,
        "\xff",
        "Bearer ü" * 20,
    ],
)
def test_every_other_header_gets_the_same_answer(client: Client, user: User, header: str) -> None:
    make_token(user)

    answer = client.get("/v1/test/users", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer.json()["detail"] == "Invalid credentials"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=80))
def test_no_header_makes_a_server_error(client: Client, header: str) -> None:
    assert client.get("/v1/test/users", headers={"Authorization": f"Bearer {header}"}).status_code == 401


def test_a_token_with_a_known_beginning_and_another_end_is_refused(client: Client, user: User) -> None:
    token = make_token(user)

    assert (
        client.get("/v1/test/users", headers=bearer(token[:-1] + ("0" if token[-1] != "0" else "1"))).status_code == 401
    )


def test_an_expired_token_is_refused_and_stays_for_the_record(client: Client, user: User) -> None:
    token = make_token(user, expiry=timedelta(seconds=-1))

    assert client.get("/v1/test/users", headers=bearer(token)).status_code == 401
    assert AuthToken.objects.count() == 1


def test_an_inactive_users_token_is_refused(client: Client, user: User) -> None:
    token = make_token(user)
    User.objects.filter(pk=user.pk).update(is_active=False)

    assert client.get("/v1/test/users", headers=bearer(token)).status_code == 401


def test_a_request_reads_one_token_and_writes_nothing(
    client: Client, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    tokens = [make_token(user, expiry=timedelta(days=day)) for day in (-2, -1, 1)]

    with django_assert_num_queries(2) as queries:  # the token with its user, and what the user may do
        assert client.get("/v1/test/users", headers=bearer(tokens[-1])).status_code == 200

    assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)
    assert AuthToken.objects.count() == 3
