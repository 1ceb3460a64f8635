"""Texts to integers in minor units, exactly: no rounding, no float, nothing that could be meant in two ways."""

import re
from functools import cache

from orders.money import MAX_AMOUNT_MINOR, currencies, exponent


def currency_code(text: str) -> str:
    """Upper case; gateways write both. Raise ValueError for what ISO 4217 does not know."""
    code = text.upper()
    if code not in currencies():
        raise ValueError(f"{text!r} is not a currency")
    return code


def from_major(text: str, currency: str, *, decimal: str = ".", grouping: str = "") -> int:
    """`-1234.5` in USD is -123450. Raise ValueError when it is no amount, or finer than the currency's minor unit."""
    found = _pattern(decimal, grouping).fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an amount written with {decimal!r} before its decimals{_between(grouping)}")
    sign, whole, digits = found["sign"], (found["whole"] or "").replace(grouping, ""), (found["decimals"] or "")
    places, decimals = exponent(currency), digits.rstrip("0")
    if len(decimals) > places:
        raise ValueError(f"{text!r} is finer than the minor unit of {currency}, which has {places} decimals")
    return _bounded(int(f"{sign}{whole or 0}{decimals.ljust(places, '0')}"), text)


def from_minor(text: str) -> int:
    """Digits alone. Raise ValueError for anything else."""
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise ValueError(f"{text!r} is not an unsigned whole number of minor units")
    return _bounded(int(text), text)


def _bounded(amount: int, text: str) -> int:
    if abs(amount) > MAX_AMOUNT_MINOR:
        raise ValueError(f"{text!r} is more than can be kept")
    return amount


@cache
def _pattern(decimal: str, grouping: str) -> re.Pattern[str]:
    whole = "[0-9]{1,20}" if not grouping else rf"[0-9]{{1,20}}|[0-9]{{1,3}}(?:{re.escape(grouping)}[0-9]{{3}}){{1,6}}"
    point = re.escape(decimal)
    # Adyen leaves out the zero before the point. A point alone is nothing.
    return re.compile(
        rf"(?P<sign>[+-]?)(?=[0-9]|{point}[0-9])(?P<whole>{whole})?(?:{point}(?P<decimals>[0-9]{{1,20}}))?"
    )


def _between(grouping: str) -> str:
    return f" and {grouping!r} between thousands" if grouping else " and nothing between thousands"
