"""Gateways' events over the API: who reads them, and who has them acted on again."""

import pytest

from payments.models import ChargeAttempt, LedgerPosting, WebhookEvent
from payments.webhooks import replay
from tests.api.tables import contents
from tests.orders.builders import make_client
from tests.payments.builders import Api, charge_of, run_checkout
from tests.payments.webhooks.events import archive, known_capture, missed_capture, nonsense
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(db: None, sandbox: Sandbox) -> Api:
    return Api(make_client("Operator"))


def path(event: WebhookEvent) -> str:
    return f"webhook-events/{event.public_id}"


def test_an_event_is_shown_with_its_body_and_in_words(operator: Api) -> None:
    event = archive(
        '{"id": "evt_1", "type": "a", "note": "4242424242424242"}', status="failed", attempts=12, error="KeyError"
    )

    told = operator.get(path(event)).json()

    assert (told["id"], told["gateway"], told["event_id"]) == (event.public_id, "sandbox", event.event_id)
    assert told["body"].startswith('{"id": "evt_1"')
    assert "4242424242424242" not in told["body"]
    assert told["told"].startswith("It could not be acted on: what it says could not be read or booked (KeyError)")
    assert (told["charge"], told["status"], told["attempts"]) == (None, "failed", 12)


def test_the_list_has_no_bodies_and_is_narrowed_by_what_happened(operator: Api, sandbox: Sandbox) -> None:
    failed, known = nonsense(), known_capture(sandbox)
    charge = charge_of(run_checkout())

    def found(**query: str) -> list[str]:
        return [row["id"] for row in operator.get("webhook-events", **query).json()["results"]]

    assert found() == [known.public_id, failed.public_id]
    assert found(status="failed") == [failed.public_id]
    assert found(charge=str(known.charge)) == [known.public_id]
    assert found(charge=charge.public_id) == found(kind="a") == found(gateway="stripe") == []
    assert found(created_after="2100-01-01") == []
    assert "body" not in operator.get("webhook-events").json()["results"][0]


def test_a_dry_run_shows_what_a_replay_then_does(operator: Api, sandbox: Sandbox) -> None:
    event = missed_capture(sandbox)

    shown = operator.post(f"{path(event)}/replay", {"dry_run": True}).json()
    assert not LedgerPosting.objects.exists()
    done = operator.post(f"{path(event)}/replay", {"dry_run": False}).json()

    assert (shown["dry_run"], done["dry_run"]) == (True, False)
    assert shown["summary"] == done["summary"]
    assert [change["object"] for change in done["changes"]] == ["event", "charge", "order", "outcome", "posting"]
    charge = done["changes"][1]
    assert charge["id"] == ChargeAttempt.objects.get().public_id
    assert (charge["before"]["captured_minor"], charge["after"]["captured_minor"]) == (0, 25_00)
    assert done["changes"][4]["before"] is None
    assert LedgerPosting.objects.get().amount_minor == 25_00
    assert replay.history(event)[0].user == operator.user


def test_an_event_replayed_under_another_key_changes_nothing_more(operator: Api, sandbox: Sandbox) -> None:
    event = missed_capture(sandbox)
    operator.post(f"{path(event)}/replay", {"dry_run": False})

    again = operator.post(f"{path(event)}/replay", {"dry_run": False})

    assert (again.status_code, again.json()["changes"]) == (200, [])
    assert again.json()["summary"] == ["nothing would change: it is already recorded"]


@pytest.mark.parametrize("value", ["true", 1, None, "yes"])
def test_whether_it_is_a_dry_run_is_never_guessed(operator: Api, value: object) -> None:
    event = nonsense()
    before = contents()

    answer = operator.post(f"{path(event)}/replay", {"dry_run": value})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "dry_run")
    assert contents() == before


def test_an_api_client_neither_reads_nor_replays_events(api: Api, sandbox: Sandbox) -> None:
    event = missed_capture(sandbox)
    before = contents()

    answers = [
        api.get("webhook-events"),
        api.get(path(event)),
        *(api.post(f"{path(event)}/replay", {"dry_run": is_dry_run}) for is_dry_run in (True, False)),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert contents() == before


def test_an_auditor_reads_events_and_replays_none(sandbox: Sandbox) -> None:
    auditor, event = Api(make_client("Auditor")), missed_capture(sandbox)

    assert auditor.get(path(event)).status_code == auditor.get("webhook-events").status_code == 200
    assert auditor.post(f"{path(event)}/replay", {"dry_run": True}).status_code == 403
