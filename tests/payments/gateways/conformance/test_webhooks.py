"""What a gateway sends by itself: believed when it is signed, whole and fresh, and meaning what a look-up says."""

from datetime import UTC, datetime, timedelta

import pytest
import urllib3

from payments.errors import WebhookReplayError, WebhookSignatureError
from payments.gateways.base import Operation, Outcome, PaymentGateway
from tests.payments.gateways.conformance.payment import Payment, facts
from tests.payments.gateways.conformance.subject import Subject
from tests.payments.gateways.conformance.subjects import with_a, without
from tests.peers.receiver import Delivery


@pytest.fixture
def delivery(subject: Subject, payment: Payment) -> Delivery:
    """The webhook of a capture."""
    payment.authorize()
    payment.capture()
    return subject.capture_webhook(payment.reference)


@with_a("webhooks")
def test_what_the_gateway_sent_is_believed(adapter: PaymentGateway, delivery: Delivery) -> None:
    adapter.verify_webhook(delivery.headers, delivery.body, now=datetime.now(UTC))

    identity, kind = adapter.identify_webhook(delivery.body)
    assert identity
    assert kind


@with_a("webhooks")
def test_a_byte_more_is_not_believed(adapter: PaymentGateway, delivery: Delivery) -> None:
    with pytest.raises(WebhookSignatureError):
        adapter.verify_webhook(delivery.headers, delivery.body + b" ", now=datetime.now(UTC))


@with_a("webhooks")
def test_what_nobody_signed_is_not_believed(adapter: PaymentGateway, delivery: Delivery) -> None:
    with pytest.raises(WebhookSignatureError):
        adapter.verify_webhook({}, delivery.body, now=datetime.now(UTC))


@with_a("webhooks")
@pytest.mark.parametrize("hours", [-1, 1])
def test_what_was_signed_at_another_time_is_not_believed(
    adapter: PaymentGateway, delivery: Delivery, hours: int
) -> None:
    with pytest.raises(WebhookReplayError):
        adapter.verify_webhook(delivery.headers, delivery.body, now=datetime.now(UTC) + timedelta(hours=hours))


@with_a("webhooks")
def test_it_means_what_the_look_up_says(adapter: PaymentGateway, payment: Payment, delivery: Delivery) -> None:
    told = adapter.parse_webhook(delivery.body)

    assert isinstance(told, Outcome)
    assert facts(told) == facts(payment.look_up(Operation.CAPTURE))


@without("webhooks")
def test_a_peer_without_webhooks_knows_nothing_of_endpoints(subject: Subject) -> None:
    answer = urllib3.request(
        "GET",
        f"{subject.proxy.url}/v1/webhook_endpoints",
        headers={"Authorization": f"Bearer {subject.settings()['STRIPE_API_KEY']}"},
        retries=False,
    )

    assert answer.status == 404
