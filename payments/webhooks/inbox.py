"""Webhooks are stored first and acted on later, each once, in whatever order they come."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models.functions import Now
from prometheus_client import Counter
from structlog.contextvars import bind_contextvars

from orders.errors import InvalidTransition
from payments.errors import WebhookReplayError, WebhookSignatureError
from payments.gateways import registry as gateways
from payments.models import WebhookEvent
from payments.redaction import redact
from payments.webhooks import reports
from payments.webhooks.acting import act

log = structlog.get_logger(__name__)

REFUSED = Counter("paydesk_webhooks_refused_total", "Deliveries whose signature was refused.", ["gateway", "code"])

MAX_ATTEMPTS = 12
BACK_OFF_CAP = timedelta(hours=1)

Status = WebhookEvent.Status


def receive(gateway: str, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
    """Keep what the gateway signed, once. Raise UnknownGatewayError, WebhookSignatureError or WebhookReplayError."""
    adapter = gateways.gateway(gateway)
    try:
        adapter.verify_webhook(headers, body, now=now)
        event_id, kind = adapter.identify_webhook(body)
    except (WebhookSignatureError, WebhookReplayError) as error:
        REFUSED.labels(gateway, error.code).inc()
        raise
    text = redact(body.decode("utf-8", "replace"))
    event = WebhookEvent(gateway=gateway, event_id=event_id, kind=kind, body=text, report=reports.read(adapter, body))
    is_new = WebhookEvent.objects.keep(event)
    bind_contextvars(event_id=event_id, kind=kind, is_new=is_new)  # for the one line that every request is logged with


def apply_next() -> bool:
    """Act on the event that is due longest; False when there is none."""
    with transaction.atomic():
        event = WebhookEvent.objects.due().select_for_update(skip_locked=True).first()
        if event is None:
            return False
        apply(event)
        return True


def apply(event: WebhookEvent) -> None:
    """Act on an event whose row the caller has locked, and write down what became of it."""
    try:
        with transaction.atomic():
            status = act(event)
    except InvalidTransition as error:
        # What comes before it will have come soon: an authorization, before the capture that this event tells.
        _try_later(event, Status.RECEIVED, error=error.detail[:200])
        return
    except Exception as error:
        log.exception("webhook_failed", event_id=event.event_id)
        _try_later(event, Status.RECEIVED, error=type(error).__name__)
        return
    if status == Status.WAITING_FOR_OBJECT:
        _try_later(event, status, error="Nothing here has this reference yet.")
    elif status == Status.RECEIVED:
        _try_later(event, status, error="The saga is under way and asks about something else.", is_final=False)
    else:
        _write(event, status=status, processed_at=Now(), error=event.error if status == Status.FAILED else "")


def _try_later(event: WebhookEvent, status: WebhookEvent.Status, *, error: str, is_final: bool = True) -> None:
    """After a growing pause; `is_final`: not for ever."""
    if is_final and event.attempts + 1 >= MAX_ATTEMPTS:
        _write(event, status=Status.FAILED, error=error)
        return
    pause = min(BACK_OFF_CAP, timedelta(seconds=2 ** min(event.attempts, MAX_ATTEMPTS)))
    _write(event, status=status, error=error, next_attempt_at=Now() + pause)


def _write(event: WebhookEvent, **changes: object) -> None:
    WebhookEvent.objects.filter(pk=event.pk).update(attempts=event.attempts + 1, charge=event.charge, **changes)
