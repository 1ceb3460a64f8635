"""Carries the masks into mappings, sequences and exceptions."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final, TypeVar, cast

from payments.redaction.cards import mask_card_numbers
from payments.redaction.secrets import REDACTED, mask_secrets

T = TypeVar("T")

_CIRCULAR: Final = "[circular]"
_TOO_DEEP: Final = "[too deep]"
_MAX_DEPTH: Final = 50
_SHORT: Final = 64

_SECRET_NAME: Final = re.compile(
    r"(?:proxy)?authorization|(?:set)?cookie|pin|csc|cvn|track(?:1|2|data)|sessionid"
    r"|.*(?:password|passwd|passphrase|secrets?|token|apikey|secretkey|privatekey|securitycode|cv[cv]2?)"
)
_CARD_NAME: Final = re.compile(r"pan|.*cardnumber|cardno")


class _Meaning(Enum):
    """What the name of a value says about it."""

    SECRET = auto()
    CARD = auto()
    NUMBER = auto()
    ANY = auto()


def redact(value: T) -> T:
    """The same value with card numbers, verification codes, passwords and keys masked.

    Walks mappings, sequences, sets and exceptions; other objects are returned as they are. Strings, bytes and the
    containers keep their type; a number that is a card number becomes a string. Nothing passed in is changed.
    """
    return cast(T, _Walk().visit(value, 0))


class _Walk:
    """One pass over a value; what is shared or refers to itself is visited once."""

    def __init__(self) -> None:
        self._seen: dict[int, Any] = {}

    def visit(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return mask_text(value)
        if isinstance(value, bytes | bytearray):
            return type(value)(mask_text(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape"))
        if isinstance(value, int | float | Decimal):
            return _number(value)
        if isinstance(value, Mapping | list | tuple | set | frozenset | BaseException):
            return self._container(value, depth + 1)
        return value

    def _container(self, value: Any, depth: int) -> Any:
        if id(value) in self._seen:
            return self._seen[id(value)]
        if depth > _MAX_DEPTH:
            return _TOO_DEEP
        self._seen[id(value)] = _CIRCULAR
        self._seen[id(value)] = result = self._rebuilt(value, depth)
        return result

    def _rebuilt(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return {self._name(name, depth): self._named(name, inner, depth) for name, inner in value.items()}
        if isinstance(value, BaseException):
            return self._exception(value, depth)
        items = self._items(value, depth)
        if hasattr(value, "_make"):
            return value._make(items)
        base = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind))
        return base(items)

    def _items(self, value: Iterable[Any], depth: int) -> Iterable[Any]:
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
            return [self.visit(value[0], depth), self._named(value[0], value[1], depth)]
        return [self.visit(item, depth) for item in value]

    def _named(self, name: Any, value: Any, depth: int) -> Any:
        meaning = _meaning(name) if isinstance(name, str | bytes) else _Meaning.ANY
        if value is None or isinstance(value, bool):
            return value
        if meaning is _Meaning.SECRET:
            return REDACTED
        if meaning is _Meaning.CARD:
            return _last_four(value) or REDACTED
        if meaning is _Meaning.NUMBER:
            return _last_four(value) or self.visit(value, depth)
        return self.visit(value, depth)

    def _name(self, name: Any, depth: int) -> Any:
        """Names are few, and come again and again."""
        return _masked_name(name) if type(name) is str and len(name) <= _SHORT else self.visit(name, depth)

    def _exception(self, error: BaseException, depth: int) -> BaseException:
        """A copy that was not constructed again: constructors have arguments and effects of their own."""
        arguments = [self.visit(argument, depth) for argument in error.args]
        try:
            copy = type(error).__new__(type(error), *arguments)
            copy.__dict__.update(self.visit(vars(error), depth))
            is_clean = mask_text(str(copy)) == str(copy)
        except Exception:  # any class may do anything here
            is_clean = False
        if not is_clean:
            copy = Exception(mask_text(f"{type(error).__name__}: {error}"))
        copy.__cause__, copy.__context__ = (
            self._chained(error.__cause__, depth),
            self._chained(error.__context__, depth),
        )
        copy.__suppress_context__ = error.__suppress_context__
        return copy.with_traceback(error.__traceback__)

    def _chained(self, error: BaseException | None, depth: int) -> BaseException | None:
        found = self.visit(error, depth)
        return found if isinstance(found, BaseException) else None


def mask_text(text: str) -> str:
    return mask_card_numbers(mask_secrets(text))


@lru_cache(maxsize=4096)
def _masked_name(name: str) -> str:
    return mask_text(name)


def _number(value: Any) -> Any:
    """A whole number with a card number's digits, as its mask; any other as it is."""
    if isinstance(value, bool) or (isinstance(value, Decimal) and not value.is_finite()):
        return value
    if not 10**12 <= abs(value) < 10**19 or value != int(value):
        return value
    digits = str(abs(int(value)))
    masked = mask_card_numbers(digits)
    return value if masked == digits else masked


@lru_cache(maxsize=4096)
def _meaning(name: str | bytes) -> _Meaning:
    text = name if isinstance(name, str) else name.decode("latin-1")
    plain = re.sub(r"[^a-z0-9]", "", text[-64:].lower())
    if _SECRET_NAME.fullmatch(plain):
        return _Meaning.SECRET
    if _CARD_NAME.fullmatch(plain):
        return _Meaning.CARD
    return _Meaning.NUMBER if plain == "number" else _Meaning.ANY


def _last_four(value: Any) -> str:
    """The mask of what is called a card number, right check digit or not; empty for too few digits."""
    digits = re.sub(r"\D", "", value.decode("latin-1") if isinstance(value, bytes) else str(value))
    return f"[card ****{digits[-4:]}]" if len(digits) >= 12 else ""
