"""Reading request bodies strictly: a field is what it must be, or the call is refused with 400."""

import json
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, NoReturn
from urllib.parse import urlsplit

from babel.numbers import list_currencies

from payments.sandbox.messages import JsonObject, Refusal

MAX_AMOUNT = 2**53 - 1
"""Minor units. Every JSON reader keeps integers up to here exact (RFC 8259, section 6)."""

MAX_TEXT = 500


@cache
def currencies() -> frozenset[str]:
    """ISO 4217 codes."""
    return frozenset(list_currencies())


def parse_object(raw: bytes) -> JsonObject:
    """A JSON object out of a request's body; an empty body is an empty object."""
    if not raw.strip():
        return {}
    try:
        parsed = json.loads(raw, parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "body_invalid", "The body is not JSON.") from error
    if not isinstance(parsed, dict):
        raise Refusal(400, "body_invalid", "The body must be a JSON object.")
    return parsed


def _not_a_number(constant: str) -> NoReturn:
    raise ValueError(constant)


def text(body: JsonObject, name: str) -> str:
    value = body.get(name)
    if value is None:
        raise Refusal(400, "parameter_missing", f"{name} is required.")
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise Refusal(400, "parameter_invalid", f"{name} must be a printable text of 1 to {MAX_TEXT} characters.")
    return value


def amount(body: JsonObject, *, default: int | None = None) -> int:
    """Minor units, at least 1. Left out it is `default`, where there is one."""
    value = body.get("amount", default)
    if type(value) is not int or not 0 < value <= MAX_AMOUNT:
        raise Refusal(400, "invalid_amount", f"amount must be a whole number of minor units, 1 to {MAX_AMOUNT}.")
    return value


def currency(body: JsonObject) -> str:
    value = body.get("currency")
    if not isinstance(value, str) or value not in currencies():
        raise Refusal(400, "invalid_currency", "currency must be an ISO 4217 code.")
    return value


def flag(body: JsonObject, name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise Refusal(400, "parameter_invalid", f"{name} must be true or false.")
    return value


def mapping(body: JsonObject, name: str) -> dict[str, Any]:
    """An object of plain values; empty when it is left out."""
    value = body.get(name) or {}
    if not isinstance(value, dict) or any(isinstance(part, dict | list) for part in value.values()):
        raise Refusal(400, "parameter_invalid", f"{name} must be an object of plain values.")
    return value


def web_address(body: JsonObject, name: str) -> str | None:
    """An http(s) address, or None when it is left out."""
    if body.get(name) is None:
        return None
    address = text(body, name)
    if not _is_web_address(address):
        raise Refusal(400, "parameter_invalid", f"{name} must be an http or https address.")
    return address


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return address.isascii() and parts.scheme in ("http", "https") and bool(parts.hostname)


def day(query: dict[str, str]) -> date:
    """The `date` of a query, `YYYY-MM-DD`."""
    value = query.get("date", "")
    try:
        return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise Refusal(400, "invalid_date", "date must be a day written YYYY-MM-DD.") from error


def past_moment(body: JsonObject, name: str, *, now: datetime, default: datetime | None = None) -> datetime:
    """An ISO 8601 time with an offset, not in the future."""
    if body.get(name) is None and default is not None:
        return default
    try:
        value = datetime.fromisoformat(text(body, name))
    except ValueError as error:
        raise Refusal(400, "parameter_invalid", f"{name} must be an ISO 8601 time.") from error
    if value.tzinfo is None or value > now:
        raise Refusal(400, "parameter_invalid", f"{name} must have an offset and not lie in the future.")
    return value.astimezone(UTC)
