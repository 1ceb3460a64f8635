import os
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command

from payments.models import CaptureStop
from tests.orders.builders import make_client
from tests.payments.builders import run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

WHY = "The gateway charges twice."


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("captures", *arguments, stdout=out)
    return out.getvalue()


def test_captures_are_stopped_shown_and_let_go_on(sandbox: Sandbox) -> None:
    user = make_client()
    assert run("status") == "captures go on\n"

    assert run("stop", "--reason", WHY, "--by", user.username) == "captures are stopped\n"
    run_checkout()
    assert f"by {user}: {WHY}\n1 wait for it" in run("status")
    assert run("resume", "--reason", "Mended.", "--by", user.username).startswith("captures go on; 1 that waited")

    assert LogEntry.objects.filter(user=user).count() == 2


def test_without_a_user_the_operating_systems_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USER", "ann")

    run("stop", "--reason", WHY)

    assert CaptureStop.objects.get().stopped_by == "ann (operating system)"


def test_where_the_user_has_no_name_the_number_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)

    run("stop", "--reason", WHY)

    assert CaptureStop.objects.get().stopped_by == "user 4000000 (operating system)"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["resume", "--reason", WHY], "not stopped"),
        (["stop", "--reason", "  "], "--reason is 1 to 500"),
        (["stop", "--reason", "x" * 501], "--reason is 1 to 500"),
        (["stop", "--reason", WHY, "--by", "nobody"], "no active user 'nobody'"),
        (["stop"], "--reason"),
    ],
)
def test_what_cannot_be_done_says_so_in_one_line_and_changes_nothing(arguments: list[Any], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        run(*arguments)

    assert not CaptureStop.objects.exists()


def test_stopped_captures_are_not_stopped_again() -> None:
    run("stop", "--reason", WHY)

    with pytest.raises(CommandError, match=WHY):
        run("stop", "--reason", "Another reason.")

    assert CaptureStop.objects.get().reason == WHY
