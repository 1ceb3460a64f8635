"""The demo's past: who bought what when, and how it ended. The same story every time, told back from today."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Final

from config.demo_data.shop import BLOCKED, PRICES, WATCHED

ORDERS: Final = 150
FIRST_DAY: Final = 36
LAST_DAY: Final = 2
"""Days ago: yesterday and today are left to what really happens."""
SEED: Final = 20_250_101
CURRENCY: Final = "USD"


class Ending(StrEnum):
    """What became of a checkout."""

    COMPLETED = "completed"
    REFUNDED = "refunded"
    PARTLY_REFUNDED = "partly_refunded"
    DECLINED = "declined"
    BLOCKED = "blocked"
    UNDELIVERABLE = "undeliverable"
    IN_REVIEW = "in_review"


IN_SANDBOX: Final = {
    Ending.COMPLETED: "captured",
    Ending.REFUNDED: "refunded",
    Ending.PARTLY_REFUNDED: "refunded",
    Ending.DECLINED: "declined",
    Ending.UNDELIVERABLE: "refunded",
    Ending.IN_REVIEW: "authorized",
}
"""What the sandbox calls it. A blocked checkout never came as far as the gateway."""

_FREQUENT: Final = {
    Ending.COMPLETED: 112,
    Ending.DECLINED: 16,
    Ending.REFUNDED: 8,
    Ending.PARTLY_REFUNDED: 6,
    Ending.UNDELIVERABLE: 4,
    Ending.BLOCKED: 4,
}
"""How many of 150."""

_WAITING: Final = frozenset({144, 147, 150})
"""Recent enough for their authorizations to be in force."""

_GOOD: Final = ("tok_visa", "tok_visa", "tok_mastercard", "tok_amex")
_BAD: Final = ("tok_declined", "tok_declined", "tok_insufficient_funds", "tok_expired_card")
_CUSTOMERS: Final = ("ada", "ben", "carla", "dev", "emma", "felix", "grace", "hugo", "ines", "jon", "kira", "liam")
_CITIES: Final = (("New York", "10001"), ("Austin", "73301"), ("Seattle", "98101"), ("Denver", "80202"))
_NOWHERE: Final = "99999"
"""A postal code that the sandbox's carrier refuses."""


@dataclass(frozen=True, slots=True)
class Bought:
    sku: str
    quantity: int

    @property
    def amount_minor(self) -> int:
        return self.quantity * PRICES[self.sku]


@dataclass(frozen=True, slots=True)
class Past:
    """One order and its only checkout. Amounts in US cents."""

    number: int
    at: datetime
    days_ago: int
    customer: str
    email: str
    city: str
    postal_code: str
    bought: Sequence[Bought]
    ending: Ending
    payment_method: str

    @property
    def reference(self) -> str:
        return f"demo-{self.number:03}"

    @property
    def amount_minor(self) -> int:
        return sum(line.amount_minor for line in self.bought)

    @property
    def refunded_minor(self) -> int:
        """What goes back when it ends with a refund: half, or all of it."""
        return self.amount_minor // 2 if self.ending == Ending.PARTLY_REFUNDED else self.amount_minor

    @property
    def settled_at(self) -> datetime:
        return self.at + timedelta(milliseconds=240)

    @property
    def refunded_at(self) -> datetime:
        """At once when the parcel could not be sent, else as soon as the customer complained."""
        if self.ending == Ending.UNDELIVERABLE:
            return self.settled_at + timedelta(milliseconds=180)
        return self.at + timedelta(days=min(self.days_ago - LAST_DAY, 3), hours=1)


def make_plan(now: datetime) -> list[Past]:
    """The story, oldest first, ending before yesterday (UTC)."""
    random = Random(SEED)  # noqa: S311  # invented orders, and the same ones every time
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    endings = [ending for ending, count in _FREQUENT.items() for _ in range(count)]
    random.shuffle(endings)
    return [_past(number, ending, midnight, random) for number, ending in enumerate(endings, start=1)]


def _past(number: int, ending: Ending, midnight: datetime, random: Random) -> Past:
    ending = Ending.IN_REVIEW if number in _WAITING else ending
    days_ago = FIRST_DAY - number * (FIRST_DAY - LAST_DAY + 1) // (ORDERS + 1)
    customer = random.choice(_CUSTOMERS)
    city, postal_code = random.choice(_CITIES)
    watched = {Ending.BLOCKED: BLOCKED, Ending.IN_REVIEW: WATCHED}
    skus = random.sample(sorted(PRICES), k=random.choice((1, 1, 2, 3)))
    return Past(
        number=number,
        at=midnight - timedelta(days=days_ago) + timedelta(seconds=random.randrange(7 * 3600, 22 * 3600)),
        days_ago=days_ago,
        customer=f"cus_{customer}",
        email=watched.get(ending, f"{customer}@example.com"),
        city=city,
        postal_code=_NOWHERE if ending == Ending.UNDELIVERABLE else postal_code,
        bought=[Bought(sku, random.choice((1, 1, 2, 4))) for sku in skus],
        ending=ending,
        payment_method=random.choice(_BAD if ending == Ending.DECLINED else _GOOD),
    )
