"""Amounts as Stripe counts them, which is not always ISO 4217's minor unit.

Source: https://docs.stripe.com/currencies#zero-decimal and #three-decimal, and the special cases listed there.
"""

from typing import Final

from payments.gateways.amounts import from_units, to_units

ZERO_DECIMAL: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
"""ISK and UGX have no minor unit either, but are counted in hundredths there."""
THREE_DECIMAL: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""Counted in thousandths, of which the last digit has to be 0."""
WHOLE_HUNDREDS: Final = frozenset({"ISK", "UGX"})


def to_stripe(amount_minor: int, currency: str) -> int:
    """Raise InvalidRequestError for an amount that cannot be told to Stripe."""
    return to_units(amount_minor, currency, digits=_stripe_exponent(currency), step=_step(currency), name="Stripe")


def from_stripe(amount: int, currency: str) -> int:
    """In the currency's own minor unit. Raise GatewayTimeoutError for what cannot be told in it."""
    return from_units(amount, currency, digits=_stripe_exponent(currency))


def _stripe_exponent(currency: str) -> int:
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def _step(currency: str) -> int:
    if currency in WHOLE_HUNDREDS:
        return 100
    return 10 if currency in THREE_DECIMAL else 1
