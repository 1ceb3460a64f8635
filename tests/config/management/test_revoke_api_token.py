from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from knox.models import AuthToken

from tests.config.builders import bearer, make_token, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.config.urls")]


@pytest.fixture
def token() -> str:
    return make_token(make_user("shop", "auth.view_user"))


def revoke(*arguments: str) -> str:
    out = StringIO()
    call_command("revoke_api_token", *arguments, stdout=out)
    return out.getvalue()


def works(token: str) -> bool:
    return Client().get("/v1/test/users", headers=bearer(token)).status_code == 200


def test_a_token_is_ended_by_how_it_begins(token: str) -> None:
    other = make_token(AuthToken.objects.get().user)

    printed = revoke(token[:12], "--reason", "Found in a log.")

    assert printed == f"revoked {token[:15]}… of shop\n"
    assert (works(token), works(other)) == (False, True)


def test_a_whole_token_begins_with_itself_and_is_not_repeated(token: str) -> None:
    assert token[:16] not in revoke(token)

    assert not works(token)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [("", "too short"), ("abcde", "too short"), ("zzzzzz", "no token begins with 'zzzzzz'"), ("%%%%%%", "no token")],
)
def test_a_fault_is_one_clear_line_and_changes_nothing(token: str, prefix: str, message: str) -> None:
    with pytest.raises(CommandError, match=message) as raised:
        revoke(prefix)

    assert "\n" not in str(raised.value)
    assert works(token)


def test_a_beginning_of_several_is_not_enough(token: str) -> None:
    user = AuthToken.objects.get().user
    AuthToken.objects.create(user)
    AuthToken.objects.update(token_key="0123456789abcde")

    with pytest.raises(CommandError, match="several tokens begin with '012345'"):
        revoke("012345")

    assert not AuthToken.objects.exclude(expiry=None).exists()


def test_what_has_ended_is_not_ended_again(token: str) -> None:
    revoke(token[:8])

    with pytest.raises(CommandError, match="has ended already"):
        revoke(token[:8])
