"""The table of payment methods: a token says what its card is and how it behaves."""

import re
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class Prank(StrEnum):
    """What goes wrong with the call that authorizes."""

    NONE = ""
    RESET_FIRST = "reset_first"  # before anything is done
    RATE_LIMIT_FIRST = "rate_limit_first"
    SILENT_FIRST = "silent_first"  # nothing done
    DONE_BUT_SILENT_FIRST = "done_but_silent_first"
    SERVER_ERROR = "server_error"


@dataclass(frozen=True, slots=True)
class Card:
    """One payment method; `refuses` names the later operation that is refused for good."""

    brand: str = "visa"
    last4: str = "4242"
    country: str = "US"
    is_expired: bool = False
    avs_result: str = "match"
    cvv_result: str = "match"
    decline_code: str | None = None
    needs_challenge: bool = False
    refuses: str | None = None
    is_disputed: bool = False
    prank: Prank = Prank.NONE
    prank_calls: int = field(default=1)
    """How many calls of one charge attempt the prank hits."""

    def describe(self, today: date) -> dict[str, object]:
        """The card as a charge shows it; expiry is relative to today, so that no token ever ages."""
        year = today.year + (-1 if self.is_expired else 3)
        return {
            "brand": self.brand,
            "last4": self.last4,
            "country": self.country,
            "fingerprint": f"fp_{self.brand}_{self.last4}_{self.country}",
            "expiry_month": 12,
            "expiry_year": year,
        }


CARDS = {
    "tok_visa": Card(),
    "tok_mastercard": Card(brand="mastercard", last4="4444"),
    "tok_amex": Card(brand="amex", last4="0005"),
    "tok_declined": Card(last4="0002", decline_code="generic_decline"),
    "tok_insufficient_funds": Card(last4="9995", decline_code="insufficient_funds"),
    "tok_expired_card": Card(last4="0069", decline_code="expired_card", is_expired=True),
    "tok_3ds": Card(last4="3220", needs_challenge=True),
    "tok_avs_mismatch": Card(last4="0010", avs_result="mismatch"),
    "tok_avs_partial": Card(last4="0028", avs_result="partial"),
    "tok_cvv_mismatch": Card(last4="0101", cvv_result="mismatch"),
    "tok_rate_limited": Card(last4="0429", prank=Prank.RATE_LIMIT_FIRST),
    "tok_server_error": Card(last4="0500", prank=Prank.SERVER_ERROR),
    "tok_timeout_before": Card(last4="0504", prank=Prank.SILENT_FIRST),
    "tok_timeout_after": Card(last4="0505", prank=Prank.DONE_BUT_SILENT_FIRST),
    "tok_capture_fails": Card(last4="0341", refuses="capture"),
    "tok_void_fails": Card(last4="0342", refuses="void"),
    "tok_refund_fails": Card(last4="0343", refuses="refund"),
    "tok_dispute": Card(last4="0259", is_disputed=True),
}

_FLAKY = re.compile(r"tok_flaky_([0-9]{1,3})", re.ASCII)
_COUNTRY = re.compile(r"tok_country_([A-Z]{2})", re.ASCII)


def card_of(token: str) -> Card | None:
    """The card behind a token, or None when there is no such token."""
    if flaky := _FLAKY.fullmatch(token):
        return Card(last4="0503", prank=Prank.RESET_FIRST, prank_calls=int(flaky[1]))
    if abroad := _COUNTRY.fullmatch(token):
        return Card(last4="0077", country=abroad[1])
    return CARDS.get(token)
