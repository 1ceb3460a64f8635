"""Amounts as Adyen counts them, which is not always ISO 4217's minor unit.

Source: https://docs.adyen.com/development-resources/currency-codes; it differs from the standard for CLP, CVE, IDR and
ISK, and says so.
"""

from typing import Any, Final

from payments.gateways.amounts import from_units, to_units

ZERO_DECIMAL: Final = frozenset(
    {"CVE", "DJF", "GNF", "IDR", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}
)
THREE_DECIMAL: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def to_adyen(amount_minor: int, currency: str) -> dict[str, Any]:
    """An `Amount` of Adyen's. Raise InvalidRequestError for one that cannot be told to it."""
    value = to_units(amount_minor, currency, digits=_digits(currency), name="Adyen")
    return {"value": value, "currency": currency}


def from_adyen(value: int, currency: str) -> int:
    """In the currency's own minor unit. Raise GatewayTimeoutError for what cannot be told in it."""
    return from_units(value, currency, digits=_digits(currency))


def _digits(currency: str) -> int:
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2
