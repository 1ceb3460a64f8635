"""Taking a token back."""

import pytest
from django.contrib.auth.models import Permission

from tests.browser.axe import grave_faults
from tests.browser.desk import Desk
from tests.config.builders import make_token, make_user


@pytest.fixture
def token(desk: Desk) -> str:
    """A shop's, and somebody at the desk who may revoke it."""
    desk.sit_down("Auditor").user_permissions.add(Permission.objects.get(codename="delete_authtoken"))
    return make_token(make_user("shop"))


def test_a_token_that_leaked_is_revoked_with_a_reason(desk: Desk, token: str) -> None:
    desk.open_list("Auth tokens")
    desk.assert_sees("shop", "valid")

    desk.click(token[:15])
    desk.fill("Why", "Found in a log.")
    desk.click("Revoke")

    desk.assert_sees("The token is revoked", "ended", "Revoked: Found in a log.")
    assert not desk.can_click("Revoke")


def test_axe_finds_nothing_serious_on_the_pages_of_tokens(desk: Desk, token: str) -> None:
    for path in ("/admin/knox/authtoken/", f"/admin/knox/authtoken/{token[:15]}/"):
        desk.open(path)
        assert desk.faults() == []
        assert grave_faults(desk.browser) == []
        desk.faults()  # axe-core tries out styles in the page, and the policy stops it
