"""What an endpoint does not take is sent again for three days; then it is disabled, and people hear of it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from payments.alerts import rounds as alert_rounds
from payments.events import endpoints
from payments.models import Alert, ClientEvent, EventDelivery, WebhookEndpoint
from tests.orders.builders import make_client
from tests.payments.alerts.builders import receiving
from tests.payments.events.builders import (
    delivery_of,
    make_endpoint,
    make_event,
    pass_time,
    relay,
    told,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("status", [302, 400, 404, 500, 503])
def test_what_is_not_taken_is_sent_again_with_the_same_id_and_body(status: int) -> None:
    with receiving(status, 200) as receiver:
        client = make_client()
        make_endpoint(client, receiver.url)
        event = make_event(client)
        relay()
        waiting = delivery_of(event)
        assert (waiting.state, waiting.status, waiting.error) == ("pending", status, f"answered {status}")
        relay()
        assert len(receiver.posts) == 1

        pass_time(seconds=6)
        relay()

    (first, body), (second, same_body) = receiver.posts
    assert (first["webhook-id"], body) == (second["webhook-id"], same_body)
    assert (delivery_of(event).state, delivery_of(event).error) == ("delivered", "")


def test_a_redirect_is_not_followed() -> None:
    with receiving() as other, receiving(307) as receiver:
        client = make_client()
        make_endpoint(client, receiver.url)
        make_event(client)
        relay()

    assert (len(receiver.posts), len(other.posts)) == (1, 0)


def test_pauses_grow_from_seconds_to_hours() -> None:
    with receiving(500) as receiver:
        client = make_client()
        make_endpoint(client, receiver.url)
        event = make_event(client)
        pauses = []
        for _ in range(9):
            relay()
            delivery = delivery_of(event)
            pauses.append(delivery.next_attempt_at - (delivery.last_attempt_at or delivery.next_attempt_at))
            EventDelivery.objects.update(next_attempt_at=Now())
            WebhookEndpoint.objects.update(rests_until=None)

    whole = [5, 20, 80, 320, 1280, 5120, 20480, 21600, 21600]
    assert len(receiver.posts) == 9
    for pause, longest in zip(pauses, whole, strict=True):
        assert timedelta(seconds=0.75 * longest) <= pause <= timedelta(seconds=longest + 2)


@pytest.mark.parametrize("is_date", [False, True])
def test_a_receiver_that_asks_for_time_gets_it(is_date: bool) -> None:
    until = datetime.now(UTC) + timedelta(hours=1, seconds=30)
    asked = format_datetime(until, usegmt=True) if is_date else "3600"
    with receiving(429, headers={"Retry-After": asked}) as receiver:
        client = make_client()
        make_endpoint(client, receiver.url)
        event = make_event(client)
        relay()

    assert len(receiver.posts) == 1
    delivery = delivery_of(event)
    assert delivery.next_attempt_at - (delivery.last_attempt_at or delivery.created_at) >= timedelta(minutes=59)


@pytest.mark.parametrize("asked", ["-1", "soon", "1e9", "٣", "Thu, 99 Xyz", "999999999999"])
def test_a_receiver_that_asks_for_nonsense_is_tried_within_a_day(asked: str) -> None:
    with receiving(503, headers={"Retry-After": asked}) as receiver:
        client = make_client()
        make_endpoint(client, receiver.url)
        event = make_event(client)
        relay()

    assert len(receiver.posts) == 1
    delivery = delivery_of(event)
    assert delivery.next_attempt_at - (delivery.last_attempt_at or delivery.created_at) <= timedelta(
        hours=24, minutes=1
    )


def test_after_three_days_the_endpoint_is_disabled_and_everybody_hears_of_it() -> None:
    with receiving(500) as receiver, receiving() as other:
        client = make_client()
        endpoint, witness = make_endpoint(client, receiver.url, "order.*"), make_endpoint(client, other.url)
        event, waiting = make_event(client), make_event(client)
        relay()
        EventDelivery.objects.filter(endpoint=witness).update(delivered_at=None)
        pass_time(days=3, seconds=1)
        relay()
        attempts = len(receiver.posts)
        later = make_event(client)
        relay()
        alert_rounds.watch()

    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "failing")
    states = EventDelivery.objects.filter(endpoint=endpoint).values_list("event", "state")
    assert dict(states) == {event.pk: "failed", waiting.pk: "failed"}
    assert len(receiver.posts) == attempts == 3
    disabled = ClientEvent.objects.get(kind="webhook_endpoint.disabled")
    assert (disabled.subject, disabled.data["reason"]) == (endpoint.public_id, "failing")
    assert told(other)[-2:] == [("webhook_endpoint.disabled", endpoint.public_id), ("order.cancelled", later.subject)]
    assert Alert.objects.get(kind="webhook_endpoint_disabled").subject == endpoint.public_id


def test_one_event_that_is_never_taken_does_not_disable_an_endpoint_that_takes_the_others() -> None:
    with receiving(500, 204) as receiver:
        client = make_client()
        endpoint = make_endpoint(client, receiver.url)
        bad = make_event(client)
        relay()
        good = make_event(client)
        relay()
        EventDelivery.objects.filter(event=bad).update(begun_at=Now() - timedelta(days=4), next_attempt_at=Now())
        receiver.answers = [500]
        relay()

    endpoint.refresh_from_db()
    assert (delivery_of(bad).state, delivery_of(good).state, endpoint.state) == ("failed", "delivered", "enabled")


def test_a_receiver_that_is_gone_is_disabled_at_once() -> None:
    with receiving(410) as receiver:
        client = make_client()
        endpoint = make_endpoint(client, receiver.url)
        event = make_event(client)
        relay()

    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_reason, delivery_of(event).state) == ("disabled", "gone", "failed")
    assert len(receiver.posts) == 1


def test_an_endpoint_that_fails_again_and_again_is_left_alone_for_a_while() -> None:
    with receiving(500) as receiver:
        client = make_client()
        make_endpoint(client, receiver.url)
        for _ in range(6):
            make_event(client)
        relay()
        assert len(receiver.posts) == 3

        receiver.answers = [200]
        pass_time(seconds=6)
        relay()

    assert set(EventDelivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert WebhookEndpoint.objects.get().failures == 0


def test_an_endpoint_that_was_disabled_gets_what_happens_after_it_is_enabled() -> None:
    with receiving() as receiver:
        client = make_client()
        endpoint = make_endpoint(client, receiver.url)
        pending = make_event(client)
        endpoints.disable(endpoint)
        missed = make_event(client)
        endpoints.enable(endpoint)
        after = make_event(client)
        relay()

    assert told(receiver) == [("order.cancelled", after.subject)]
    assert not EventDelivery.objects.filter(event__in=[pending, missed]).exists()


def test_an_answer_is_kept_short_and_without_card_data() -> None:
    with receiving(500, body=b"4242424242424242 \0 whsec_abc " + b"x" * 5000) as receiver:
        client = make_client()
        make_endpoint(client, receiver.url)
        event = make_event(client)
        relay()

    kept = delivery_of(event).answer
    assert receiver.posts
    assert kept.startswith("[card ****4242]")
    assert len(kept) <= 1000
    assert "whsec_abc" not in kept


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/hook?token=hunter2", "https://127.0.0.1:9/hook?token=hunter2"])
def test_nobody_there_is_told_without_the_address(url: str, caplog: pytest.LogCaptureFixture) -> None:
    client = make_client()
    make_endpoint(client, url)
    event = make_event(client)
    relay()

    assert (delivery_of(event).error, delivery_of(event).status) == ("NewConnectionError", None)
    assert "hunter2" not in caplog.text


def test_an_address_that_is_no_longer_allowed_is_not_called(settings: Settings) -> None:
    with receiving() as receiver:
        client = make_client()
        make_endpoint(client, receiver.url)
        event = make_event(client)
        settings.OUTBOUND_ALLOWED_NETWORKS = []
        relay()

    assert receiver.posts == []
    assert delivery_of(event).error == "A URL that begins with https:// is expected."
