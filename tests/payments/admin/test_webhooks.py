import json
from typing import Any

import pytest

from payments.models import ChargeAttempt, WebhookEvent
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_order
from tests.payments.builders import charge_of, run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

LIST, PAGE = "payments_webhookevent_changelist", "payments_webhookevent_change"


def make_webhook(charge: ChargeAttempt | None = None, **fields: Any) -> WebhookEvent:
    row = {"gateway": "sandbox", "event_id": "evt-1", "kind": "charge.captured", "body": "{}", **fields}
    return WebhookEvent.objects.create(charge=charge, **row)


def test_a_webhook_shows_what_it_said_and_what_became_of_it(office: Office, sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout())
    body = json.dumps({"type": "charge.captured", "card": {"number": "4242424242424242"}, "name": "<img>"})
    event = make_webhook(charge, body=body, status="failed", error="Nothing here has this reference yet.", attempts=12)

    html = office.page(PAGE, event.public_id)

    for told in ("charge.captured", "failed", "Nothing here has this reference yet.", "evt-1"):
        assert told in html
    for about in (charge.public_id, charge.order.public_id):
        assert f"/{about}/change/" in html
    assert "4242424242424242" not in html
    assert "&lt;img&gt;" in html


def test_a_body_that_is_no_json_is_shown_as_it_came(office: Office) -> None:
    assert "not &lt;json&gt;" in office.page(PAGE, make_webhook(body="not <json>").public_id)


@pytest.mark.parametrize(
    "term", ["{event}", "{event.charge}", "{event.charge.order}", "{event.charge.gateway_reference}"]
)
def test_a_webhook_is_found_by_what_it_is_about(office: Office, sandbox: Sandbox, term: str) -> None:
    event = make_webhook(charge_of(run_checkout()))
    other = make_webhook(event_id="evt-2")

    html = office.page(LIST, q=term.format(event=event))

    assert event.public_id in html
    assert other.public_id not in html


def test_webhooks_are_narrowed_by_status(office: Office) -> None:
    failed, done = make_webhook(status="failed"), make_webhook(event_id="evt-2", status="processed")

    html = office.page(LIST, status__exact="failed")

    assert failed.public_id in html
    assert done.public_id not in html


@pytest.mark.parametrize("action", ["change", "delete"])
def test_a_webhook_is_not_changed_in_a_form(action: str) -> None:
    event = make_webhook()
    office = Office(ALL_CLIENTS, *(f"payments.{verb}_webhookevent" for verb in ("view", "add", "change", "delete")))

    assert office.post(f"payments_webhookevent_{action}", event.pk, status="processed", post="yes").status_code == 403
    assert WebhookEvent.objects.filter(pk=event.pk, status="received").exists()


def test_without_the_permission_nothing_is_shown_and_without_all_clients_only_ones_own(sandbox: Sandbox) -> None:
    office = Office("payments.view_webhookevent")
    own = make_webhook(charge_of(run_checkout(make_order(office.user))))
    foreign = make_webhook(charge_of(run_checkout()), event_id="evt-2")

    html = office.page(LIST)

    assert own.public_id in html
    assert foreign.public_id not in html
    assert Office(ALL_CLIENTS, "orders.view_order").get(LIST).status_code == 403


def test_a_longer_list_takes_no_more_queries(office: Office, sandbox: Sandbox) -> None:
    for number in range(2):
        make_webhook(charge_of(run_checkout()), event_id=f"evt-{number}")
    for_two = office.queries(LIST)
    for number in range(2, 8):
        make_webhook(charge_of(run_checkout()), event_id=f"evt-{number}")

    assert office.queries(LIST) == for_two
