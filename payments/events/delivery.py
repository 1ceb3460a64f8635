"""Send what is due, each message by one worker, until it got through or three days are over.

A message is claimed by moving its next attempt to the end of a lease; a worker that dies while sending leaves it to be
sent again then, under the same id. No transaction is open while anything is sent. Of the events of one object an
endpoint is sent the next one only when those before are through, or given up.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog
from django.db.models import F
from django.db.models.functions import Now
from prometheus_client import Counter

from payments.events import endpoints
from payments.events.schedule import PATIENCE, is_delivered, is_gone, pause_before, rest_after
from payments.models import ClientEvent, EventDelivery, WebhookEndpoint
from payments.outbound import client, signing
from payments.outbound.client import AddressRefusedError, Answer, UnreachableError
from payments.redaction import redact

log = structlog.get_logger(__name__)

SENT = Counter("paydesk_webhook_attempts_total", "Attempts to send an event to a client's endpoint.", ["result"])

LOOKED_AT = 10
"""Messages that one worker tries to claim before it looks again."""
KEPT_CHARACTERS = 1000
State = EventDelivery.State


def deliver_next(*, now: datetime) -> bool:
    """Send the message that has been due longest; False when nothing is. `now` is told as the time of sending."""
    for delivery in EventDelivery.objects.due()[:LOOKED_AT]:
        if delivery.claim():
            _send(delivery, now=now)
            return True
    return False


def _send(delivery: EventDelivery, *, now: datetime) -> None:
    keys = endpoints.keys_in_force(delivery.endpoint)
    if not keys:  # deleted a moment ago, and the message with it
        return
    headers = _headers(delivery.event, keys, now=now)
    try:
        answer = client.post(delivery.endpoint.url, body=delivery.event.body, headers=headers)
    except (AddressRefusedError, UnreachableError) as error:
        _try_later(delivery, error=str(error), status=None, milliseconds=None, answer="")
        return
    if is_delivered(answer.status):
        _note_delivered(delivery, answer)
    elif is_gone(answer.status):
        _give_up(delivery, WebhookEndpoint.Reason.GONE, error="answered 410", **_facts_of(answer))
    else:
        asked = answer.headers.get("retry-after", "")
        _try_later(delivery, error=f"answered {answer.status}", retry_after=asked, now=now, **_facts_of(answer))


def _headers(event: ClientEvent, keys: Sequence[str], *, now: datetime) -> dict[str, str]:
    current, *older = keys
    sent_at = int(now.timestamp())
    signed = signing.headers(current, message_id=event.public_id, timestamp=sent_at, body=event.body, older=older)
    return {"Content-Type": "application/json", "User-Agent": "Paydesk", **signed}


def _facts_of(answer: Answer) -> dict[str, object]:
    """What is kept of an answer."""
    text = redact(answer.text).replace("\0", "")[:KEPT_CHARACTERS]
    return {"status": answer.status, "milliseconds": answer.milliseconds, "answer": text}


def _note_delivered(delivery: EventDelivery, answer: Answer) -> None:
    SENT.labels("delivered").inc()
    delivery.settle(state=State.DELIVERED, delivered_at=Now(), error="", **_facts_of(answer))
    WebhookEndpoint.objects.filter(pk=delivery.endpoint_id, failures__gt=0).update(failures=0, rests_until=None)
    log.info("event_delivered", **_about(delivery), status=answer.status)


def _try_later(
    delivery: EventDelivery, *, error: str, retry_after: str = "", now: datetime | None = None, **facts: object
) -> None:
    if _is_over(delivery):
        _give_up(delivery, WebhookEndpoint.Reason.FAILING, error=error, **facts)
        return
    SENT.labels("failed").inc()
    pause = pause_before(delivery.attempts - delivery.attempts_before, retry_after=retry_after, now=now)
    delivery.settle(next_attempt_at=Now() + pause, error=error, **facts)
    failures = delivery.endpoint.failures + 1
    WebhookEndpoint.objects.filter(pk=delivery.endpoint_id).update(
        failures=F("failures") + 1, rests_until=Now() + rest_after(failures)
    )
    log.warning("event_not_delivered", **_about(delivery), error=error)


def _is_over(delivery: EventDelivery) -> bool:
    """By the database's clock."""
    return EventDelivery.objects.filter(pk=delivery.pk, begun_at__lte=Now() - PATIENCE).exists()


def _give_up(delivery: EventDelivery, reason: WebhookEndpoint.Reason, *, error: str, **facts: object) -> None:
    """The endpoint is disabled with it, unless it has taken something else meanwhile: then it cannot take this."""
    SENT.labels("given_up").inc()
    if not delivery.settle(state=State.FAILED, error=error, **facts):
        return
    log.error("event_given_up", **_about(delivery), error=error)
    others = EventDelivery.objects.filter(endpoint=delivery.endpoint_id, delivered_at__gte=Now() - PATIENCE)
    if reason == WebhookEndpoint.Reason.GONE or not others.exists():
        endpoints.disable_failed(delivery.endpoint, reason)


def _about(delivery: EventDelivery) -> dict[str, object]:
    """An address may hold a password, so the endpoint's id has to do."""
    return {
        "event_id": delivery.event.public_id,
        "endpoint": delivery.endpoint.public_id,
        "attempt": delivery.attempts,
    }
