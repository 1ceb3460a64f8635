"""Money is an integer count of a currency's minor unit; exponents are those of ISO 4217 as CLDR publishes them."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Self

from babel.numbers import get_currency_precision, list_currencies

MAX_AMOUNT_MINOR = 2**63 - 1
"""The largest amount a signed 64-bit column holds."""

_OBSOLETE_OR_NOT_MONEY = frozenset(
    {"XXX", "XTS", "XAU", "XAG", "XPT", "XPD", "XBA", "XBB", "XBC", "XBD", "XDR", "XSU", "XUA"}
)


@cache
def currencies() -> frozenset[str]:
    """ISO 4217 codes an order may be priced in."""
    return frozenset(list_currencies()) - _OBSOLETE_OR_NOT_MONEY


def exponent(currency: str) -> int:
    """Digits after the decimal point of the currency's major unit: JPY 0, USD 2, BHD 3."""
    return get_currency_precision(currency)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (cents for USD, yen for JPY) and its ISO 4217 code."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in currencies():
            raise ValueError(f"unknown currency {self.currency!r}")

    def __add__(self, other: Self) -> Self:
        self._require_same_currency(other)
        return type(self)(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: Self) -> Self:
        self._require_same_currency(other)
        return type(self)(self.amount_minor - other.amount_minor, self.currency)

    def __str__(self) -> str:
        return f"{self.amount:,f} {self.currency}"

    @property
    def amount(self) -> Decimal:
        """The amount in major units, with exactly the currency's digits."""
        return Decimal(self.amount_minor).scaleb(-exponent(self.currency))

    def _require_same_currency(self, other: Self) -> None:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be added up")


def in_words(amount_minor: int, currency: str) -> str:
    """As people write it; an amount in no currency of ours is told as it was reported."""
    try:
        return str(Money(amount_minor, currency))
    except ValueError:
        return f"{amount_minor} {currency or 'of no currency'} in minor units"
