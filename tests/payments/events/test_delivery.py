"""What an endpoint is sent: signed, in order, at least once, again and again for three days, and then no more."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.db.models.functions import Now
from standardwebhooks import Webhook, WebhookVerificationError

from orders.models import Order
from payments.events import endpoints
from payments.events.fan_out import fan_out
from payments.events.rounds import relay_next
from payments.models import ClientEvent, EventDelivery, WebhookEndpoint
from payments.outbound import signing
from tests.orders.builders import make_client, make_order
from tests.payments.alerts.builders import receiving
from tests.payments.events.builders import (
    delivery_of,
    key_of,
    make_endpoint,
    make_event,
    pass_time,
    relay,
    told,
    verified,
)

pytestmark = pytest.mark.django_db


def test_an_event_arrives_signed_as_somebody_elses_library_wants_it() -> None:
    with receiving() as receiver:
        client = make_client()
        endpoint = make_endpoint(client, receiver.url)
        event = make_event(client)
        relay()

    [(headers, body)] = receiver.posts
    assert verified(endpoint, (headers, body)) == {
        "type": "order.cancelled",
        "timestamp": event.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": event.data,
    }
    assert (headers["webhook-id"], headers["content-type"]) == (event.public_id, "application/json")
    assert body == event.body
    delivery = delivery_of(event)
    assert (delivery.state, delivery.status, delivery.attempts) == ("delivered", 204, 1)
    with pytest.raises(WebhookVerificationError):
        Webhook(key_of(endpoint)).verify(body.replace(b"cancelled", b"completed"), headers)
    with pytest.raises(WebhookVerificationError):
        verified(endpoint, (headers, body), key=key_of(make_endpoint()))


def test_what_that_library_signs_is_signed_the_same_here() -> None:
    key, now = key_of(make_endpoint()), datetime.now(UTC)

    theirs = Webhook(key).sign("cev_1", now, '{"a":1}')

    ours = signing.headers(key, message_id="cev_1", timestamp=int(now.timestamp()), body=b'{"a":1}')
    assert ours["webhook-signature"] == theirs


def test_an_endpoint_gets_what_it_wants_of_its_own_client_since_it_is_there() -> None:
    with receiving() as receiver:
        client = make_client()
        before = make_event(client)
        endpoint = make_endpoint(client, receiver.url, "order.cancelled", "charge.*")
        wanted = make_event(client)
        make_event(make_client())
        make_order(client).move(Order.Status.PROCESSING)
        ClientEvent.objects.tell("refund.failed", "re_1", {}, client_id=client.pk)
        captured = ClientEvent.objects.tell("charge.captured", "ch_1", {}, client_id=client.pk)
        relay()

    assert told(receiver) == [("order.cancelled", wanted.subject), ("charge.captured", captured.subject)]
    assert not EventDelivery.objects.filter(event=before).exists()
    assert EventDelivery.objects.filter(endpoint=endpoint).count() == 2
    assert not ClientEvent.objects.awaiting_fan_out().exists()


def test_events_of_one_object_are_sent_in_order_and_others_do_not_wait_for_them() -> None:
    with receiving(500, 204) as receiver:
        client = make_client()
        make_endpoint(client, receiver.url)
        order = make_order(client)
        order.move(Order.Status.PROCESSING)
        first, second = make_event(status="payment_failed", order=order), make_event(order=order)
        other = make_event(client)
        relay()
        assert told(receiver) == [("order.payment_failed", first.subject), ("order.cancelled", other.subject)]
        assert delivery_of(second).attempts == 0

        pass_time(seconds=6)
        relay()

    assert [name for name, subject in told(receiver) if subject == order.public_id] == [
        "order.payment_failed", "order.payment_failed", "order.cancelled",
    ]  # fmt: skip
    assert (first.sequence + 1, delivery_of(second).state) == (second.sequence, "delivered")


def test_an_event_that_nobody_has_looked_for_endpoints_of_keeps_the_next_ones_back() -> None:
    with receiving() as receiver:
        client = make_client()
        make_endpoint(client, receiver.url)
        order = make_order(client)
        order.move(Order.Status.PROCESSING)
        first = make_event(status="payment_failed", order=order)
        second = make_event(order=order)
        EventDelivery.objects.create(event=second, endpoint=WebhookEndpoint.objects.get())
        ClientEvent.objects.filter(pk=second.pk).update(fanned_out_at=Now())

        assert not EventDelivery.objects.due().exists()
        relay()

    assert [subject for _name, subject in told(receiver)] == [first.subject, second.subject]


def test_while_a_secret_is_replaced_either_verifies_and_then_the_new_one_alone() -> None:
    with receiving() as receiver:
        client = make_client()
        endpoint = make_endpoint(client, receiver.url)
        old = key_of(endpoint)
        new = endpoints.rotate_secret(endpoint, overlap=timedelta(hours=24)).key
        make_event(client)
        relay()
        pass_time(hours=25)
        make_event(client)
        relay()

    overlapping, after = receiver.posts
    assert len(overlapping[0]["webhook-signature"].split(" ")) == 2
    assert verified(endpoint, overlapping, key=old) == verified(endpoint, overlapping, key=new)
    assert verified(endpoint, after, key=new)
    with pytest.raises(WebhookVerificationError):
        verified(endpoint, after, key=old)


def test_a_test_event_goes_to_the_one_endpoint_whatever_it_wants() -> None:
    with receiving() as receiver, receiving() as other:
        client = make_client()
        endpoint = make_endpoint(client, receiver.url, "refund.failed")
        make_endpoint(client, other.url)
        endpoints.send_test(endpoint)
        relay()

    assert told(receiver) == [("webhook.test", endpoint.public_id)]
    assert other.posts == []


def test_what_was_delivered_can_be_sent_again_under_its_id() -> None:
    with receiving() as receiver:
        client = make_client()
        make_endpoint(client, receiver.url)
        event = make_event(client)
        relay()
        endpoints.resend(delivery_of(event))
        relay()

    assert len({headers["webhook-id"] for headers, _body in receiver.posts}) == 1
    assert (len(receiver.posts), delivery_of(event).state, delivery_of(event).attempts) == (2, "delivered", 2)


def test_what_was_deleted_while_a_worker_looked_at_it_is_not_sent() -> None:
    with receiving() as receiver:
        client = make_client()
        endpoint = make_endpoint(client, receiver.url)
        event = make_event(client)
        fan_out()
        found = EventDelivery.objects.due().get()
        endpoints.delete(endpoint)
        WebhookEndpoint.objects.update(state="enabled")
        EventDelivery.objects.update(state="pending")
        relay()

    assert receiver.posts == []
    assert (found.event, delivery_of(event).state) == (event, "pending")


def test_a_worker_that_was_away_for_too_long_changes_nothing() -> None:
    client = make_client()
    make_endpoint(client)
    event = make_event(client)
    EventDelivery.objects.create(event=event, endpoint=WebhookEndpoint.objects.get())
    slow, quick = delivery_of(event), delivery_of(event)
    assert slow.claim()
    assert not quick.claim()
    pass_time(minutes=2)
    quick = delivery_of(event)
    assert quick.claim()
    assert quick.settle(state="delivered")

    assert not slow.settle(state="failed")
    assert delivery_of(event).state == "delivered"


@pytest.mark.django_db(transaction=True)
def test_of_several_workers_at_once_each_message_is_sent_by_one_and_in_order() -> None:
    client = make_client()
    orders = [make_order(client) for _ in range(5)]
    with receiving() as receiver:
        make_endpoint(client, receiver.url)
        for order in orders:
            order.move(Order.Status.PROCESSING)
            for status in ("requires_action", "in_review", "payment_failed", "cancelled"):
                order.move(Order.Status(status))
        barrier = Barrier(4)

        def work(_number: int) -> None:
            barrier.wait()
            try:
                for _ in range(200):
                    relay_next()
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))

    sequence = ["order.requires_action", "order.in_review", "order.payment_failed", "order.cancelled"]
    assert len(receiver.posts) == 20
    for order in orders:
        assert [name for name, subject in told(receiver) if subject == order.public_id] == sequence


def test_the_body_is_plain_json_of_what_is_documented() -> None:
    event = make_event()

    body = json.loads(event.body)

    assert set(body) == {"type", "timestamp", "data"}
    assert set(body["data"]) == {"object", "id", "status", "reference", "currency", "amount", "amount_paid"}
