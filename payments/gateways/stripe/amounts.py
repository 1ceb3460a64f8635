"""Amounts as Stripe counts them, which is not always ISO 4217's minor unit.

Source: https://docs.stripe.com/currencies#zero-decimal and #three-decimal, and the special cases listed there.
"""

from typing import Final

from orders.money import exponent
from payments.errors import GatewayTimeoutError, InvalidRequestError

ZERO_DECIMAL: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
"""ISK and UGX have no minor unit either, but are counted in hundredths there."""
THREE_DECIMAL: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""Counted in thousandths, of which the last digit has to be 0."""
WHOLE_HUNDREDS: Final = frozenset({"ISK", "UGX"})


def to_stripe(amount_minor: int, currency: str) -> int:
    """Raise InvalidRequestError for an amount that cannot be told to Stripe."""
    amount, rest = _scaled(amount_minor, _stripe_exponent(currency) - exponent(currency))
    if rest or amount % _step(currency):
        raise InvalidRequestError(f"Stripe cannot take {currency} in amounts this fine.", field="amount")
    return amount


def from_stripe(amount: int, currency: str) -> int:
    """In the currency's own minor unit. Raise GatewayTimeoutError for what cannot be told in it."""
    minor, rest = _scaled(amount, exponent(currency) - _stripe_exponent(currency))
    if rest:
        raise GatewayTimeoutError("The gateway's answer makes no sense.")
    return minor


def _stripe_exponent(currency: str) -> int:
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def _step(currency: str) -> int:
    if currency in WHOLE_HUNDREDS:
        return 100
    return 10 if currency in THREE_DECIMAL else 1


def _scaled(amount: int, digits: int) -> tuple[int, int]:
    """The amount moved by so many decimal digits, and what is lost by it."""
    return (amount * 10**digits, 0) if digits >= 0 else divmod(amount, 10**-digits)
