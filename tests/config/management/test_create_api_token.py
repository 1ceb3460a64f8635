from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from tests.config.builders import bearer

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.config.urls")]


def create(*arguments: str) -> str:
    out = StringIO()
    call_command("create_api_token", *arguments, stdout=out)
    return out.getvalue()


def test_the_token_alone_is_printed_and_works_at_once(client: Client) -> None:
    printed = create("shop", "--group", "Auditor")

    token = printed.strip()
    assert printed == f"{token}\n"
    assert client.get("/v1/test/users", headers=bearer(token)).json() == {"user": "shop"}


def test_the_account_is_made_without_a_password_and_without_the_back_office() -> None:
    create("shop", "--group", "API client", "--group", "Finance")

    user = User.objects.get(username="shop")
    assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (False, False, False)
    assert sorted(user.groups.values_list("name", flat=True)) == ["API client", "Finance"]


def test_a_second_token_is_for_the_same_account_and_leaves_the_first() -> None:
    assert create("shop") != create("shop")

    assert User.objects.count() == 1
    assert AuthToken.objects.count() == 2


def test_a_token_has_no_end_unless_one_is_asked_for() -> None:
    create("forever")
    create("short", "--expires-days", "7")

    assert AuthToken.objects.get(user__username="forever").expiry is None
    expiry = AuthToken.objects.get(user__username="short").expiry
    assert timedelta(days=6) < expiry - timezone.now() <= timedelta(days=7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("shop", "--group", "Nobody"), "unknown group 'Nobody'; there are API client, Auditor"),
        (("shop", "--expires-days", "0"), "from 1 to 36500"),
        (("shop", "--expires-days", "99999999999"), "from 1 to 36500"),
        (("white space",), "cannot be a user name"),
        (("",), "cannot be a user name"),
        (("x" * 200,), "cannot be a user name"),
    ],
)
def test_a_fault_is_one_clear_line_and_changes_nothing(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message) as raised:
        create(*arguments)

    assert "\n" not in str(raised.value)
    assert not User.objects.exists()
    assert not AuthToken.objects.exists()


@pytest.mark.parametrize("kind", ["staff", "password", "inactive"])
def test_a_persons_or_a_closed_account_gets_no_token(kind: str) -> None:
    user = User(username="somebody", is_staff=kind == "staff", is_active=kind != "inactive")
    user.set_password("a password" if kind == "password" else None)
    user.save()

    with pytest.raises(CommandError):
        create("somebody")

    assert not AuthToken.objects.exists()
