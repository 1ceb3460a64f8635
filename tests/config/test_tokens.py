from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from knox.models import AuthToken
from structlog.testing import capture_logs

from config import tokens
from tests.config.builders import bearer, make_token, make_user
from tests.office import ALL_CLIENTS, Office

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.config.urls")]

VIEW, REVOKE = "knox.view_authtoken", "knox.delete_authtoken"


@pytest.fixture
def keeper() -> Office:
    """Somebody who keeps the accounts."""
    return Office(ALL_CLIENTS, VIEW, REVOKE)


@pytest.fixture
def token() -> str:
    return make_token(make_user("shop", "auth.view_user"))


def works(token: str) -> bool:
    status = Client().get("/v1/test/users", headers=bearer(token)).status_code
    assert status in (200, 401)
    return status == 200


def page(office: Office, token: str) -> str:
    return office.page("knox_authtoken_page", token[:15])


def revoke(office: Office, token: str, reason: str = "Found in a log.") -> Any:
    return office.post("knox_authtoken_page", token[:15], reason=reason)


def assert_no_secret(html: str) -> None:
    for row in AuthToken.objects.all():
        assert row.digest not in html


class TestTheList:
    def test_shows_whose_each_is_and_until_when(self, keeper: Office, token: str) -> None:
        make_token(User.objects.get(username="shop"), expiry=timedelta(days=-1))

        html = keeper.page("knox_authtoken_changelist")

        assert html.count("shop") >= 2
        assert all(text in html for text in (f">{token[:15]}<", ">valid<", ">ended<", "never"))

    def test_shows_neither_token_nor_digest(self, keeper: Office, token: str) -> None:
        html = keeper.page("knox_authtoken_changelist")

        assert token[:16] not in html
        assert_no_secret(html)

    def test_finds_by_beginning_and_by_account(self, keeper: Office, token: str) -> None:
        other = make_token(make_user("another-shop"))

        for term, found, left_out in (("another-shop", other, token), (token[:15], token, other)):
            html = keeper.page("knox_authtoken_changelist", q=term)
            assert found[:15] in html
            assert f">{left_out[:15]}<" not in html

    def test_tells_valid_ones_from_ended_ones(self, keeper: Office, token: str) -> None:
        user = User.objects.get(username="shop")
        ended, later = make_token(user, expiry=timedelta(0)), make_token(user, expiry=timedelta(days=1))

        valid = keeper.page("knox_authtoken_changelist", validity="valid")
        over = keeper.page("knox_authtoken_changelist", validity="ended")

        assert [each[:15] in valid for each in (token, later, ended)] == [True, True, False]
        assert [each[:15] in over for each in (token, later, ended)] == [False, False, True]

    def test_takes_no_more_queries_for_more_tokens(self, keeper: Office, token: str) -> None:
        for_one = keeper.queries("knox_authtoken_changelist")
        for number in range(6):
            make_token(make_user(f"shop-{number}"))

        assert keeper.queries("knox_authtoken_changelist") == for_one

    def test_offers_no_way_to_make_change_or_delete_one(self, keeper: Office, token: str) -> None:
        html = keeper.page("knox_authtoken_changelist") + page(keeper, token)

        assert "/add/" not in html
        assert "/delete/" not in html
        for name in ("add", "change", "delete", "history"):
            assert keeper.follow(f"/admin/knox/authtoken/{token[:15]}/{name}/").status_code == 404


class TestRevoking:
    def test_ends_the_token_at_once_and_keeps_its_row(self, keeper: Office, token: str) -> None:
        assert works(token)

        html = revoke(keeper, token).content.decode()

        assert not works(token)
        assert "The token is revoked" in html
        assert AuthToken.objects.get().expiry <= timezone.now()

    def test_leaves_the_accounts_other_tokens_alone(self, keeper: Office, token: str) -> None:
        other = make_token(User.objects.get(username="shop"))

        revoke(keeper, token)

        assert works(other)

    def test_is_remembered_with_person_and_reason(self, keeper: Office, token: str) -> None:
        with capture_logs() as logs:
            revoke(keeper, token)

        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id, entry.change_message) == (
            keeper.user, token[:15], "Revoked: Found in a log.",
        )  # fmt: skip
        html = page(keeper, token)
        assert all(text in html for text in ("Revoked: Found in a log.", keeper.user.username))
        [line] = [line for line in logs if line["event"] == "api_token_revoked"]
        assert (line["begins_with"], line["client"], line["by"]) == (token[:15], "shop", keeper.user.username)

    def test_an_account_that_has_had_a_token_stays_and_no_page_about_it_shows_a_digest(
        self, keeper: Office, token: str
    ) -> None:
        User.objects.filter(pk=keeper.user.pk).update(is_superuser=True)
        account = User.objects.get(username="shop")

        pages = [page(keeper, token), keeper.page("auth_user_delete", account.pk)]
        answer = keeper.post("auth_user_delete", account.pk, post="yes")

        assert answer.status_code == 403
        assert User.objects.filter(pk=account.pk).exists()
        for html in pages:
            assert_no_secret(html)
            assert token[:16] not in html

    def test_wants_a_reason(self, keeper: Office, token: str) -> None:
        answer = revoke(keeper, token, reason=" ")

        assert answer.status_code == 400
        assert works(token)
        assert not LogEntry.objects.exists()

    def test_is_done_by_post_alone(self, keeper: Office, token: str) -> None:
        keeper.get("knox_authtoken_page", token[:15], reason="x")

        assert works(token)

    def test_happens_once(self, keeper: Office, token: str) -> None:
        revoke(keeper, token)
        ended_at = AuthToken.objects.get().expiry

        html = revoke(keeper, token, reason="Again.").content.decode()

        assert "had ended already" in html
        assert AuthToken.objects.get().expiry == ended_at
        assert LogEntry.objects.count() == 1

    def test_a_copy_that_was_read_before_does_not_end_it_twice(self, token: str) -> None:
        copies = [AuthToken.objects.get(), AuthToken.objects.get()]

        assert [tokens.revoke(copy, reason="") for copy in copies] == [True, False]


class TestWhoMay:
    def test_an_auditor_looks_and_does_not_revoke(self, token: str) -> None:
        auditor = Office(groups=("Auditor",))

        assert 'value="Revoke"' not in page(auditor, token)
        assert revoke(auditor, token).status_code == 403
        assert works(token)

    @pytest.mark.parametrize("group", ["Operator", "Fraud analyst", "Finance"])
    def test_others_do_not_even_look(self, token: str, group: str) -> None:
        office = Office(groups=(group,))

        assert office.get("knox_authtoken_changelist").status_code == 403
        assert office.get("knox_authtoken_page", token[:15]).status_code == 403
        assert revoke(office, token).status_code == 403
        assert works(token)

    def test_staff_of_one_client_finds_that_clients_tokens_alone(self, token: str) -> None:
        office = Office(VIEW, REVOKE)
        own = make_token(office.user)

        html = office.page("knox_authtoken_changelist")

        assert own[:15] in html
        assert token[:15] not in html
        assert revoke(office, token).status_code == 404
        assert works(token)

    def test_whoever_is_not_signed_in_is_asked_to(self, client: Client, token: str) -> None:
        answer = client.post(reverse("admin:knox_authtoken_page", args=[token[:15]]), {"reason": "x"})

        assert (answer.status_code, works(token)) == (302, True)

    def test_a_beginning_that_no_token_has_is_not_found(self, keeper: Office) -> None:
        assert keeper.get("knox_authtoken_page", "x" * 15).status_code == 404
