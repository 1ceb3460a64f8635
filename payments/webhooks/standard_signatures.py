"""Standard Webhooks' signature scheme, for gateways that sign as the specification says.

Source: https://github.com/standard-webhooks/standard-webhooks, version 1.0.0, "Webhook signature"
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from payments.errors import WebhookReplayError, WebhookSignatureError
from payments.outbound import signing

TOLERANCE: Final = timedelta(minutes=5)
"""How old a delivery may be, and how far ahead its sender's clock."""
_NAMES: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")


def verify(headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime) -> None:
    """Raise WebhookSignatureError unless one of `secrets` signed exactly these bytes under this id and time.

    Raise WebhookReplayError when it did, but not just now. Of `headers` the names are those of the specification, in
    lower case or not; several signatures are separated by blanks.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id, at, signatures = (given.get(name, "") for name in _NAMES)
    if not message_id or not (at.isascii() and at.isdecimal() and len(at) <= 12):
        raise WebhookSignatureError("The headers have no id and timestamp.")
    if not _is_signed(message_id, int(at), body, signatures.split(" "), secrets):
        raise WebhookSignatureError
    if abs(now.timestamp() - int(at)) > TOLERANCE.total_seconds():
        raise WebhookReplayError


def _is_signed(message_id: str, at: int, body: bytes, signatures: Sequence[str], secrets: Sequence[str]) -> bool:
    """Compares every pair, so that the time taken says nothing."""
    expected = [
        signing.headers(secret, message_id=message_id, timestamp=at, body=body)["webhook-signature"]
        for secret in secrets
    ]
    return any([hmac.compare_digest(e.encode(), s.encode()) for e in expected for s in signatures])
