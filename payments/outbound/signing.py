"""Sign webhooks as the Standard Webhooks specification says (https://www.standardwebhooks.com, version 1.0.0).

Pure: a receiver verifies with any library of that name.
"""

import base64
import binascii
import hmac
from collections.abc import Iterable

PREFIX = "whsec_"
KEY_BYTES = range(24, 65)
"""How long the specification wants a key to be."""


def key_of(secret: str) -> bytes:
    """The key behind `whsec_<base64>`; raise ValueError when it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is not base64") from error
    if not secret.startswith(PREFIX) or len(key) not in KEY_BYTES:
        raise ValueError(f"the secret is not {PREFIX} and the base64 of 24 to 64 bytes")
    return key


def headers(secret: str, *, message_id: str, timestamp: int, body: bytes, older: Iterable[str] = ()) -> dict[str, str]:
    """What goes with a message; `timestamp` is in seconds since the epoch.

    While a secret is replaced, a receiver may still know one of the `older` ones: there is a signature by each.
    """
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(each, signed) for each in (secret, *older)),
    }


def _signature(secret: str, signed: bytes) -> str:
    return f"v1,{base64.b64encode(hmac.digest(key_of(secret), signed, 'sha256')).decode()}"
