"""Adyen's webhook signature scheme: it signs eight fields of an event, not the bytes it comes in.

Nothing else in a delivery is signed. Its reason, its date and its additional data could have been put there by anybody
who has seen one delivery, so nothing here gives them away. No time is signed either: a delivery stays valid for ever,
and what makes a repeat harmless is that the inbox keeps an event once, under a name made of signed fields.

Source: https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures
"""

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from payments.errors import WebhookSignatureError

# The fields are joined by colons, unescaped. Only one of them may hold any, or the same signature would fit the same
# text cut into other fields.
_PLAIN: Final = re.compile(r"[^:\x00-\x1f\x7f]{0,80}")
_NAME: Final = re.compile(r"[^:\x00-\x20\x7f]{1,80}")


@dataclass(frozen=True, slots=True)
class Item:
    """The signed fields of one event, and nothing but them. `value` is in the minor units that Adyen counts in."""

    psp_reference: str
    original_reference: str
    merchant_account: str
    merchant_reference: str
    value: int
    currency: str
    event_code: str
    success: str

    @property
    def event_id(self) -> str:
        """What a repeat of the same event has in common with it."""
        return f"{self.psp_reference}:{self.event_code}:{self.success}"

    @property
    def is_success(self) -> bool:
        return self.success == "true"

    @property
    def signed_text(self) -> bytes:
        fields = (
            self.psp_reference, self.original_reference, self.merchant_account, self.merchant_reference,
            str(self.value), self.currency, self.event_code, self.success,
        )  # fmt: skip
        return ":".join(fields).encode()


def key_of(secret: str) -> bytes:
    """The HMAC key that a hexadecimal secret stands for; raise ValueError when it is none."""
    key = bytes.fromhex(secret)
    if not key:
        raise ValueError("is empty")
    return key


def verify(body: bytes, *, secrets: Sequence[str], merchant_account: str) -> None:
    """Raise WebhookSignatureError unless one of `secrets` signed the one event in this body, for this account."""
    item, signature = _read(body)
    expected = [b64encode(hmac.digest(key_of(secret), item.signed_text, "sha256")) for secret in secrets]
    matches = [hmac.compare_digest(each, signature.encode()) for each in expected]
    if not any(matches):
        raise WebhookSignatureError
    if item.merchant_account != merchant_account:
        raise WebhookSignatureError("The event is another merchant account's.")


def parse_item(body: bytes) -> Item:
    """The event; raise WebhookSignatureError when the body does not hold exactly one, whoever signed it."""
    return _read(body)[0]


def _read(body: bytes) -> tuple[Item, str]:
    """The event, and the signature that came with it."""
    try:
        [wrapped] = json.loads(body)["notificationItems"]
        fields = wrapped["NotificationRequestItem"]
        item = Item(
            psp_reference=_text(fields["pspReference"], _NAME),
            original_reference=_text(fields.get("originalReference", ""), _PLAIN),
            merchant_account=_text(fields["merchantAccountCode"], _NAME),
            merchant_reference=_text(fields.get("merchantReference", "")),
            value=_number(fields["amount"]["value"]),
            currency=_text(fields["amount"]["currency"], _PLAIN),
            event_code=_text(fields["eventCode"], _NAME),
            success=_text(fields["success"], re.compile("true|false")),
        )
        signature = _text(fields["additionalData"]["hmacSignature"])
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise WebhookSignatureError("The body is not one event.") from error
    return item, signature


def _text(value: Any, form: re.Pattern[str] | None = None) -> str:
    """Raise TypeError or ValueError for what is no text of this form, or none that can be stored."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of a text")
    value.encode()
    if "\x00" in value or (form is not None and not form.fullmatch(value)):
        raise ValueError("a text of another form")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{type(value).__name__} instead of a whole number")
    return value
