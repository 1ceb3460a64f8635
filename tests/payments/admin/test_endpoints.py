"""What people see of endpoints and of what is sent to them, and what they do about them."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages

from payments.models import ClientEvent, EventDelivery, WebhookEndpoint, WebhookSecret
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_client
from tests.payments.alerts.builders import receiving
from tests.payments.events.builders import delivery_of, key_of, make_endpoint, make_event, pass_time, relay

pytestmark = pytest.mark.django_db

ENDPOINT, DELIVERY, EVENT = "payments_webhookendpoint", "payments_eventdelivery", "payments_clientevent"
LISTS = [ENDPOINT, DELIVERY, EVENT]
ACTIONS = {
    "test": "payments.test_webhook_endpoint",
    "rotate": "payments.rotate_webhook_secret",
    "disable": "payments.change_webhookendpoint",
    "enable": "payments.change_webhookendpoint",
}


@pytest.fixture
def endpoint() -> WebhookEndpoint:
    return make_endpoint(make_client(), "https://hooks.example.com/paydesk?token=hunter2", "order.*")


def sent(client: Any, *answers: int, body: bytes = b"") -> EventDelivery:
    with receiving(*answers, body=body) as receiver:
        make_endpoint(client, receiver.url)
        event = make_event(client)
        relay()
    return delivery_of(event)


def act(office: Office, row: Any, name: str, reason: str = "Asked for.") -> str:
    page = f"payments_{row._meta.model_name}_act"
    return str(office.post(page, row.public_id, name, reason=reason).content.decode())


def test_an_endpoint_shows_where_and_what_and_no_secret(office: Office, endpoint: WebhookEndpoint) -> None:
    for html in (office.page(f"{ENDPOINT}_change", endpoint.public_id), office.page(f"{ENDPOINT}_changelist")):
        for told in ("https://hooks.example.com/paydesk?…", "order.*", "enabled", str(endpoint.client)):
            assert told in html
        for secret in ("hunter2", key_of(endpoint), "whsec_"):
            assert secret not in html


def test_a_message_shows_what_was_sent_and_how_it_was_taken(office: Office) -> None:
    delivery = sent(make_client(), 500, body=b"4242424242424242 <b>no</b>")

    html = office.page(f"{DELIVERY}_change", delivery.public_id)

    for told in ("order.cancelled", "pending", "answered 500", delivery.event.subject, "&lt;b&gt;", "/hook?…"):
        assert told in html
    for about in (delivery.event.public_id, delivery.endpoint.public_id):
        assert f"/{about}/change/" in html
    for secret in ("4242424242424242", "token=secret", "whsec_"):
        assert secret not in html


def test_an_event_shows_what_is_told_and_where_it_was_sent(office: Office) -> None:
    delivery = sent(make_client(), 204)

    html = office.page(f"{EVENT}_change", delivery.event.public_id)

    for told in ("order.cancelled", delivery.event.subject, delivery.public_id, "delivered"):
        assert told in html


def test_a_new_secret_is_shown_by_the_answer_alone_and_nowhere_else(
    office: Office, endpoint: WebhookEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    asked = office.page(f"{ENDPOINT}_act", endpoint.public_id, "rotate")
    assert "whsec_" not in asked
    answer = office.post(f"{ENDPOINT}_act", endpoint.public_id, "rotate", reason="It leaked.")

    key = key_of(endpoint)
    assert answer.status_code == 200
    assert key.replace("+", "&#x2B;") in answer.content.decode().replace("+", "&#x2B;")
    assert "no-store" in answer["Cache-Control"]
    assert [str(message) for message in get_messages(answer.wsgi_request)] == []
    entry = LogEntry.objects.get()
    assert (entry.user, entry.change_message) == (office.user, "Replace the secret: It leaked.")
    assert key not in office.page(f"{ENDPOINT}_change", endpoint.public_id) + caplog.text
    assert WebhookSecret.objects.filter(endpoint=endpoint).count() == 2


def test_an_endpoint_is_tested_disabled_and_enabled_with_a_reason(office: Office, endpoint: WebhookEndpoint) -> None:
    assert "A test event is on its way." in act(office, endpoint, "test")
    assert "The endpoint is disabled." in act(office, endpoint, "disable")
    assert "cannot become disabled" in act(office, endpoint, "disable")
    assert "not enabled" in act(office, endpoint, "test")
    assert "The endpoint is enabled." in act(office, endpoint, "enable")

    endpoint.refresh_from_db()
    assert endpoint.state == "enabled"
    assert ClientEvent.objects.filter(kind="webhook.test").count() == 1
    told = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
    assert told == ["Send a test event: Asked for.", "Disable: Asked for.", "Enable: Asked for."]


def test_a_message_is_sent_again(office: Office) -> None:
    delivery = sent(make_client(), 204)

    assert "on its way again" in act(office, delivery, "resend")
    assert delivery_of(delivery.event).state == "pending"
    assert LogEntry.objects.get().change_message == "Send again: Asked for."


def test_what_a_worker_has_just_taken_is_not_sent_twice(office: Office) -> None:
    delivery = sent(make_client(), 500)

    assert "It has just been sent" in act(office, delivery, "resend")
    pass_time(minutes=2)
    assert "on its way again" in act(office, delivery, "resend")


@pytest.mark.parametrize("name", ACTIONS)
def test_a_look_at_a_button_and_a_form_without_a_reason_do_nothing(
    office: Office, endpoint: WebhookEndpoint, name: str
) -> None:
    assert "Leave it" in office.page(f"{ENDPOINT}_act", endpoint.public_id, name)
    answer = office.post(f"{ENDPOINT}_act", endpoint.public_id, name, reason="")

    assert answer.status_code == 400
    endpoint.refresh_from_db()
    assert (endpoint.state, WebhookSecret.objects.count(), EventDelivery.objects.count()) == ("enabled", 1, 0)
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("name", ACTIONS)
def test_each_button_is_for_those_who_have_its_permission(endpoint: WebhookEndpoint, name: str) -> None:
    others = {permission for permission in ACTIONS.values() if permission != ACTIONS[name]}
    without = Office(ALL_CLIENTS, "payments.view_webhookendpoint", *others)

    assert f"/act/{name}/" not in without.page(f"{ENDPOINT}_change", endpoint.public_id)
    assert without.post(f"{ENDPOINT}_act", endpoint.public_id, name, reason="a").status_code == 403
    assert not LogEntry.objects.exists()


def test_an_auditor_sees_all_of_it_and_is_offered_nothing() -> None:
    delivery = sent(make_client(), 204)
    auditor = Office(groups=("Auditor",))

    for name, row in ((ENDPOINT, delivery.endpoint), (DELIVERY, delivery), (EVENT, delivery.event)):
        assert "/act/" not in auditor.page(f"{name}_change", row.public_id)
    assert auditor.post(f"{DELIVERY}_act", delivery.public_id, "resend", reason="a").status_code == 403


@pytest.mark.parametrize("name", LISTS)
def test_without_the_permission_nothing_is_shown_and_without_all_clients_only_ones_own(name: str) -> None:
    office = Office(f"payments.view_{name.removeprefix('payments_')}")
    sent(office.user, 204)
    sent(make_client(), 204)

    html = office.page(f"{name}_changelist")

    assert len(re.findall(r'<th class="field-typed_id', html)) == 1
    assert Office(ALL_CLIENTS, "orders.view_order").get(f"{name}_changelist").status_code == 403


@pytest.mark.parametrize("name", LISTS)
def test_a_longer_list_takes_no_more_queries(office: Office, name: str) -> None:
    for _ in range(2):
        sent(make_client(), 204)
    for_two = office.queries(f"{name}_changelist")
    for _ in range(6):
        sent(make_client(), 204)

    assert office.queries(f"{name}_changelist") == for_two


@pytest.mark.parametrize("term", ["{delivery}", "{delivery.event}", "{delivery.endpoint}", "{delivery.event.subject}"])
def test_a_message_is_found_by_what_it_is_about(office: Office, term: str) -> None:
    delivery, other = sent(make_client(), 204), sent(make_client(), 204)

    html = office.page(f"{DELIVERY}_changelist", q=term.format(delivery=delivery))

    assert delivery.public_id in html
    assert other.public_id not in html


@pytest.mark.parametrize("name", LISTS)
def test_nothing_of_it_is_changed_in_a_form(name: str) -> None:
    delivery = sent(make_client(), 204)
    row = {ENDPOINT: delivery.endpoint, DELIVERY: delivery, EVENT: delivery.event}[name]
    model = name.removeprefix("payments_")
    office = Office(ALL_CLIENTS, f"payments.view_{model}")

    for action in ("change", "delete"):
        assert office.post(f"{name}_{action}", row.pk, post="yes", state="failed").status_code == 403
    assert office.get(f"{name}_add").status_code == 403


def test_pages_hold_to_the_content_security_policy(office: Office) -> None:
    delivery = sent(make_client(), 204)
    for html in (
        office.page(f"{ENDPOINT}_change", delivery.endpoint.public_id),
        office.page(f"{DELIVERY}_change", delivery.public_id),
        office.page(f"{ENDPOINT}_act", delivery.endpoint.public_id, "rotate"),
        act(office, delivery.endpoint, "rotate"),
    ):
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", html)
