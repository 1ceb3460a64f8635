import pytest
from django.test import Client

from tests.config.builders import bearer, make_token, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.config.urls")]


def ask(client: Client, method: str, *permissions: str, path: str = "/v1/test/users") -> int:
    token = make_token(make_user("client", *permissions))
    return client.generic(method, path, headers=bearer(token)).status_code


def test_the_permission_of_the_method_lets_in(client: Client) -> None:
    assert ask(client, "GET", "auth.view_user") == 200


def test_a_head_needs_what_a_get_needs(client: Client) -> None:
    assert ask(client, "HEAD", "auth.view_user") == 200
    assert client.head("/v1/test/users").status_code == 401


@pytest.mark.parametrize("permissions", [(), ("auth.view_user",), ("auth.add_user",)])
def test_all_of_a_methods_permissions_are_needed(client: Client, permissions: tuple[str, ...]) -> None:
    assert ask(client, "POST", *permissions) == 403


def test_a_method_not_allowed_by_name_is_denied(client: Client) -> None:
    assert ask(client, "DELETE", "auth.view_user", "auth.add_user", "auth.delete_user") == 403


def test_a_view_that_says_nothing_is_denied(client: Client) -> None:
    assert ask(client, "GET", "auth.view_user", path="/v1/test/undeclared") == 403


def test_a_method_without_a_handler_is_not_a_matter_of_permission(client: Client) -> None:
    assert ask(client, "PUT") == 405


def test_options_tells_the_methods_to_whoever_has_a_token(client: Client) -> None:
    answer = client.options("/v1/test/users", headers=bearer(make_token(make_user("client"))))

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["Allow"] == "GET, POST, DELETE, HEAD, OPTIONS"


def test_without_a_token_nothing_is_said_about_methods(client: Client) -> None:
    assert client.put("/v1/test/users").status_code == 401
