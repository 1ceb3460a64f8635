"""Stripe's webhook signature scheme, which the sandbox uses too.

Source: https://docs.stripe.com/webhooks#verify-manually
"""

import hmac
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from payments.errors import WebhookReplayError, WebhookSignatureError

TOLERANCE = timedelta(minutes=5)
"""How old a delivery may be, and how far ahead its sender's clock."""


def verify(header: str, body: bytes, *, secrets: Sequence[str], now: datetime) -> None:
    """Raise WebhookSignatureError unless one of `secrets` signed exactly these bytes.

    Raise WebhookReplayError when it did, but not just now. `header` is `t=<Unix time>,v1=<hex>[,v1=<hex>...]`.
    """
    fields = [part.strip().partition("=")[::2] for part in header.split(",")]
    times = [value for name, value in fields if name == "t"]
    signatures = [value for name, value in fields if name == "v1"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdecimal() and len(times[0]) <= 12):
        raise WebhookSignatureError("The signature header has no timestamp.")
    if not _is_signed(f"{times[0]}.".encode() + body, signatures, secrets):
        raise WebhookSignatureError
    if abs(now.timestamp() - int(times[0])) > TOLERANCE.total_seconds():
        raise WebhookReplayError


def _is_signed(message: bytes, signatures: Sequence[str], secrets: Sequence[str]) -> bool:
    """Compares every pair, so that the time taken says nothing."""
    expected = [hmac.new(secret.encode(), message, "sha256").hexdigest() for secret in secrets]
    matches = [hmac.compare_digest(e.encode(), s.encode()) for e in expected for s in signatures]
    return any(matches)


def parse_event(body: bytes) -> dict[str, Any]:
    """The event; raise WebhookSignatureError when the body is not one, whoever signed it."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookSignatureError("The body is not JSON.") from error
    if not (isinstance(event, dict) and _is_name(event.get("id"), 255) and _is_name(event.get("type"), 100)):
        raise WebhookSignatureError("The body is not an event.")
    return event


def _is_name(value: Any, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()
