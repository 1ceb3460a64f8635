"""The worker process sends what is due, and what it dies on is sent by the next one under the same id."""

import signal
import subprocess

import pytest

from orders.models import Order
from tests.orders.builders import make_client, make_order
from tests.payments.alerts.builders import receiving
from tests.payments.events.builders import delivery_of, make_endpoint, make_event, pass_time, told, verified
from tests.processes import WORKER, wait_until, worker
from tests.sandbox import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_worker_sends_what_happened(process_environment: dict[str, str]) -> None:
    with receiving() as receiver, worker(process_environment):
        client = make_client()
        endpoint = make_endpoint(client, receiver.url)
        event = make_event(client)
        wait_until(lambda: receiver.posts)
        wait_until(lambda: delivery_of(event).state == "delivered")

    assert verified(endpoint, receiver.posts[0])["data"] == event.data


def test_what_a_worker_was_killed_on_is_sent_by_the_next_with_the_same_id_and_in_order(
    process_environment: dict[str, str],
) -> None:
    client = make_client()
    with receiving() as receiver:
        make_endpoint(client, receiver.url)
        order = make_order(client)
        order.move(Order.Status.PROCESSING)
        first = make_event(status="payment_failed", order=order)
        second = make_event(order=order)
        receiver.gate.clear()
        killed = subprocess.Popen(WORKER, cwd=ROOT, env=process_environment, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: receiver.posts)
        finally:
            killed.send_signal(signal.SIGKILL)
            killed.wait()
        assert (delivery_of(first).state, delivery_of(first).attempts) == ("pending", 1)

        receiver.gate.set()
        pass_time(minutes=2)
        with worker(process_environment):
            wait_until(lambda: delivery_of(second).state == "delivered")

    assert told(receiver) == [
        ("order.payment_failed", order.public_id),
        ("order.payment_failed", order.public_id),
        ("order.cancelled", order.public_id),
    ]
    ids = [headers["webhook-id"] for headers, _body in receiver.posts]
    assert ids == [first.public_id, first.public_id, second.public_id]
    assert receiver.posts[0][1] == receiver.posts[1][1]
    assert delivery_of(first).attempts == 2
