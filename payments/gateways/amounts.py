"""Amounts as a gateway counts them, which is not always ISO 4217's minor unit: converted exactly, or not at all."""

from orders.money import exponent
from payments.errors import GatewayTimeoutError, InvalidRequestError


def to_units(amount_minor: int, currency: str, *, digits: int, step: int = 1, name: str) -> int:
    """In units of so many decimal `digits`, of which the gateway called `name` takes multiples of `step`.

    Raise InvalidRequestError for an amount that cannot be told to it.
    """
    amount, rest = _scaled(amount_minor, digits - exponent(currency))
    if rest or amount % step:
        raise InvalidRequestError(f"{name} cannot take {currency} in amounts this fine.", field="amount")
    return amount


def from_units(amount: int, currency: str, *, digits: int) -> int:
    """In the currency's own minor unit. Raise GatewayTimeoutError for what cannot be told in it."""
    minor, rest = _scaled(amount, exponent(currency) - digits)
    if rest:
        raise GatewayTimeoutError("The gateway's answer makes no sense.")
    return minor


def _scaled(amount: int, digits: int) -> tuple[int, int]:
    """The amount moved by so many decimal digits, and what is lost by it."""
    return (amount * 10**digits, 0) if digits >= 0 else divmod(amount, 10**-digits)
