import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from orders.ids import new_id
from payments.management.commands import replay_webhooks
from payments.models import LedgerPosting, WebhookEvent
from payments.webhooks.replay import history
from tests.api.tables import contents
from tests.config.builders import make_user
from tests.payments.webhooks.events import known_capture, missed_capture, nonsense
from tests.sandbox import ROOT, Sandbox

pytestmark = pytest.mark.django_db


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def said(*arguments: str, out: StringIO | None = None, **options: Any) -> list[str]:
    out = out or StringIO()
    call_command("replay_webhooks", *arguments, stdout=out, **options)
    return out.getvalue().splitlines()


def test_without_apply_it_says_what_would_change_and_changes_nothing(sandbox: Sandbox) -> None:
    event = missed_capture(sandbox)
    known_capture(sandbox)
    before = contents()

    first, last = said()

    assert first.startswith(f"{event}: event {event} failed -> processed; charge ")
    assert last == "2 events: 1 would change something, 1 nothing; --apply does it"
    assert contents() == before


def test_with_apply_it_does_it_and_the_second_time_there_is_nothing_to_do(sandbox: Sandbox) -> None:
    missed_capture(sandbox)

    first, again = said("--apply"), said("--apply")

    assert first[-1] == "1 event: 1 changed something, 0 nothing"
    assert again == ["1 event: 0 changed something, 1 nothing"]
    assert LedgerPosting.objects.get().amount_minor == 25_00


def test_it_is_kept_in_the_name_of_a_person(sandbox: Sandbox) -> None:
    event, person = missed_capture(sandbox), make_user("jo")

    said("--apply", "--by", "jo")

    assert [entry.user for entry in history(event)] == [person]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--status", "failed"], 1),
        (["--gateway", "sandbox", "--kind", "charge.captured"], 2),
        (["--gateway", "stripe"], 0),
        (["--kind", "a"], 0),
        (["--since", "2100-01-01"], 0),
        (["--since", "2020-01-01", "--until", "2100-01-01T12:00:00+02:00"], 2),
        (["--until", "2020-01-01T00:00Z"], 0),
    ],
)
def test_events_are_chosen_by_what_is_asked_for(sandbox: Sandbox, options: list[str], found: int) -> None:
    nonsense()
    known_capture(sandbox)

    assert said(*options)[-1].split(":")[0] == {0: "0 events", 1: "1 event", 2: "2 events"}[found]


def test_events_are_chosen_by_their_ids(sandbox: Sandbox) -> None:
    one, two, _other = nonsense(), nonsense(), nonsense()

    lines = said("--id", one.public_id, "--id", two.public_id)

    assert [line.split(":")[0] for line in lines] == [one.public_id, two.public_id, "2 events"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--status", "broken"], "--status is one of received, processed, waiting_for_object, failed, ignored"),
        (["--since", "yesterday"], "--since is a date such as 2026-03-01 or 2026-03-01T12:00Z, not 'yesterday'"),
        (["--until", "2026-13-01"], "--until is a date"),
        (["--id", "evt_1"], "there is no event evt_1"),
        (["--by", "nobody"], "there is no active user 'nobody'"),
    ],
)
def test_what_cannot_be_understood_is_said_in_one_line(options: list[str], told: str) -> None:
    nonsense()
    before = contents()

    with pytest.raises(CommandError) as refused:
        said("--apply", *options)

    assert str(refused.value).startswith(told)
    assert "\n" not in str(refused.value)
    assert contents() == before


def test_an_id_that_no_event_has_is_no_quiet_success() -> None:
    with pytest.raises(CommandError, match="there is no event evt_"):
        said("--id", WebhookEvent(pk=new_id()).public_id)


def test_an_event_that_moves_on_meanwhile_is_named(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    event = missed_capture(sandbox)

    def stale(events: Any) -> list[WebhookEvent]:
        row = events.get()
        WebhookEvent.objects.update(status="ignored")
        return [row]

    monkeypatch.setattr(replay_webhooks, "_in_batches", stale)
    first, last = said("--apply")

    assert first.startswith(f"{event}: Somebody else, or the worker, has acted on the event meanwhile.")
    assert last == "1 event: 0 changed something, 0 nothing, 1 had moved on meanwhile"


def test_many_are_read_in_batches_and_progress_is_told_in_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_webhooks, "BATCH", 2)
    for _ in range(5):
        nonsense()

    lines = [line for line in said() if not line.startswith("evt_")]

    assert lines == ["2 of 5 looked at", "4 of 5 looked at", "5 events: 5 would change something, 0 nothing; "
                     "--apply does it"]  # fmt: skip


def test_a_terminal_has_a_bar(sandbox: Sandbox) -> None:
    missed_capture(sandbox)

    lines = said(out=Terminal())

    assert any("Events" in line for line in lines)
    assert lines[-1].endswith("1 event: 1 would change something, 0 nothing; --apply does it")


def test_events_that_come_while_it_runs_are_not_looked_at() -> None:
    nonsense()
    WebhookEvent.objects.update(received_at=timezone.now() + timedelta(minutes=1))

    assert said() == ["0 events: 0 would change something, 0 nothing"]


def test_a_process_ends_with_an_error_and_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "replay_webhooks", "--since", "soon"],
        cwd=ROOT, env=os.environ | {"APP_ENV": "dev"}, capture_output=True, text=True,
    )  # fmt: skip

    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "CommandError: --since is a date such as 2026-03-01 or 2026-03-01T12:00Z, not 'soon'"
    ]
