"""Stripe's webhook signature: `t=<Unix time>,v1=<HMAC-SHA256 of "{t}.{raw body}">`, one `v1` per secret.

Source: https://docs.stripe.com/webhooks#verify-manually
"""

import hmac
from collections.abc import Sequence

HEADER = "Sandbox-Signature"


def sign(body: bytes, *, secrets: Sequence[str], timestamp: int) -> str:
    """The header for this body; several secrets are how a receiver changes its secret without missing events."""
    signed = f"{timestamp}.".encode() + body
    parts = [f"t={timestamp}", *(f"v1={hmac.new(s.encode(), signed, 'sha256').hexdigest()}" for s in secrets)]
    return ",".join(parts)
