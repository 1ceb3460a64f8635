"""The vocabulary of screening: what is known of a checkout, and what may be said about it.

Everything here is plain data that goes to JSON and comes back equal, so that a stored decision can be reproduced.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self


class Stage(StrEnum):
    """When a checkout is screened; AVS, CVV and the card's country are known only after the authorization."""

    BEFORE_AUTHORIZATION = "before_authorization"
    AFTER_AUTHORIZATION = "after_authorization"


class Ruling(StrEnum):
    """What shall become of a checkout. `CHALLENGE` is 3DS before the authorization, and a review after it."""

    APPROVE = "approve"
    CHALLENGE = "challenge"
    REVIEW = "review"
    BLOCK = "block"


class ListName(StrEnum):
    BLOCK = "block"
    WATCH = "watch"


class ListKind(StrEnum):
    EMAIL = "email"
    CARD = "card"
    IP = "ip"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Listing:
    """One fact of the context is on a list: `Listing(BLOCK, EMAIL)`."""

    list_name: ListName
    kind: ListKind


def clean_text(value: object) -> str | None:
    """`value` without what cannot be printed or stored; None when nothing is left, or it is no text at all."""
    if not isinstance(value, str):
        return None
    return "".join(character for character in value if character.isprintable()).strip() or None


def clean_code(value: object) -> str | None:
    """A country or currency code in capitals."""
    text = clean_text(value)
    return text and text.upper()


def clean_word(value: object) -> str | None:
    """A gateway's word (`match`, `visa`) in small letters."""
    text = clean_text(value)
    return text and text.lower()


def clean_email(value: object) -> str | None:
    """The address stripped and case-folded, nothing else: dots and +tags tell people apart at some providers."""
    text = clean_text(value)
    return text and text.casefold()


def clean_ip(value: object) -> str | None:
    """The address in its shortest spelling, an IPv4 one mapped into IPv6 as IPv4; None when it is no address."""
    try:
        address = ipaddress.ip_address(clean_text(value) or "")
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


_CLEAN: Mapping[str, Callable[[object], str | None]] = {
    "currency": clean_code,
    "customer_id": clean_text,
    "email": clean_email,
    "billing_country": clean_code,
    "shipping_country": clean_code,
    "ip": clean_ip,
    "device_fingerprint": clean_text,
    "card_fingerprint": clean_text,
    "card_country": clean_code,
    "card_brand": clean_word,
    "avs_result": clean_word,
    "cvv_result": clean_word,
}

_LISTED_FACTS: Mapping[ListKind, str] = {
    ListKind.EMAIL: "email",
    ListKind.CARD: "card_fingerprint",
    ListKind.IP: "ip",
    ListKind.DEVICE: "device_fingerprint",
}


def normalize(kind: ListKind, value: str) -> str | None:
    """`value` as lists hold it and look it up; None when it is not of this kind."""
    return _CLEAN[_LISTED_FACTS[kind]](value)


def velocity_fact(window_seconds: int) -> str:
    """The name under which `Context.velocity` holds a customer's checkout attempts within a window."""
    return f"customer_attempts_{window_seconds}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything the rules may look at; None is a fact that is not known.

    `stage` None asks for every rule, whatever its stage. `velocity` holds counts by `velocity_fact`, the present
    attempt included. `prior_score` is what the stage before scored: a review by score waits for all the facts.
    """

    stage: Stage | None
    amount_minor: int | None = None
    currency: str | None = None
    customer_id: str | None = None
    email: str | None = None
    billing_country: str | None = None
    shipping_country: str | None = None
    ip: str | None = None
    device_fingerprint: str | None = None
    card_fingerprint: str | None = None
    card_country: str | None = None
    card_brand: str | None = None
    avs_result: str | None = None
    cvv_result: str | None = None
    velocity: Mapping[str, int] = field(default_factory=dict)
    listed: tuple[Listing, ...] = ()
    prior_score: int = 0

    @classmethod
    def of(cls, stage: Stage | None, facts: Mapping[str, Any]) -> Self:
        """Clean the facts on their way in: empty text is not known, spelling does not tell values apart.

        Raises TypeError for a fact of an unknown name.
        """
        cleaned = {name: clean(facts[name]) for name, clean in _CLEAN.items() if name in facts}
        return cls(stage=stage, **{**facts, **cleaned})

    @classmethod
    def from_snapshot(cls, snapshot: Mapping[str, Any]) -> Self:
        """The context that `snapshot()` wrote down."""
        stage = snapshot["stage"]
        listed = tuple(Listing(ListName(row["list_name"]), ListKind(row["kind"])) for row in snapshot["listed"])
        return cls(**{**snapshot, "stage": stage and Stage(stage), "listed": listed})

    def snapshot(self) -> dict[str, Any]:
        """All of it as JSON's types."""
        return {**asdict(self), "velocity": dict(self.velocity), "listed": [asdict(listing) for listing in self.listed]}

    def listable(self) -> dict[ListKind, str]:
        """The known facts that may be on a list."""
        values = {kind: getattr(self, fact) for kind, fact in _LISTED_FACTS.items()}
        return {kind: value for kind, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says, in words for the person who reads it. A `shadow` verdict is recorded and does not count.

    A `review` verdict counts by its score; every other one by its decision.
    """

    rule: str
    decision: Ruling
    reason: str
    score: int = 0
    shadow: bool = False
