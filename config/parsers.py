"""JSON as RFC 8259 and I-JSON (RFC 7493) mean it: what two readers could read differently is refused."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, Final, NoReturn

from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.utils.mediatypes import _MediaType

from payments.redaction import redact

MAX_DEPTH: Final = 32
INTEGERS: Final = range(-(2**63), 2**63)

Json = dict[str, Any]


class StrictJSONParser(BaseParser):
    """Parses `request.body`, so that whoever fingerprints the request later reads the same bytes."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Json:
        given = _MediaType(media_type or "")
        if f"{given.main_type}/{given.sub_type}".lower() != self.media_type:  # a pattern that matches it is not it
            raise UnsupportedMediaType(media_type or "")
        charset = given.params.get("charset", "utf-8")
        if charset.strip("\"'").lower() not in {"utf-8", "utf8"}:
            raise ParseError("JSON is UTF-8 here; another charset is not read.")
        body = parser_context["request"].body if parser_context else stream.read()
        return loads(body)


def loads(body: bytes) -> Json:
    """The JSON object in `body`; ParseError for anything else, whatever the bytes are."""
    try:
        document = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
        _check(document, MAX_DEPTH)
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8 at byte {error.start}.") from error
    except json.JSONDecodeError as error:
        raise ParseError(f"The body is not JSON at line {error.lineno}, column {error.colno}.") from error
    except RecursionError as error:
        raise ParseError(_TOO_DEEP) from error
    if not isinstance(document, dict):
        raise ParseError("The body has to be a JSON object.")
    return document


_TOO_DEEP: Final = f"The body is nested deeper than {MAX_DEPTH} levels."


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ParseError(f"The key {_shown(twice)} is there twice.")
    return document


def _integer(digits: str) -> int:
    if len(digits) > 20 or int(digits) not in INTEGERS:
        raise ParseError("A number does not fit 64 bits.")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ParseError("A number is too large.")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ParseError(f"{name} is not JSON.")


def _check(node: Any, levels: int) -> None:
    if isinstance(node, str):
        _check_text(node)
    elif isinstance(node, dict | list) and not levels:
        raise ParseError(_TOO_DEEP)
    elif isinstance(node, list):
        for item in node:
            _check(item, levels - 1)
    elif isinstance(node, dict):
        for name, item in node.items():
            _check_text(name)
            _check(item, levels - 1)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ParseError("A string holds a NUL character.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ParseError("A string holds half of a surrogate pair.")


def _shown(name: str) -> str:
    return json.dumps(redact(name[:64]))
