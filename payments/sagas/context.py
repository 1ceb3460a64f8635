"""What a saga's steps may know: JSON whose shape its definition declares, checked before it is written."""

from dataclasses import MISSING, field, fields
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from payments.errors import InvalidContextError


def may_be_edited(*, default: Any) -> Any:
    """A member of a context that people may correct: one that names neither money nor where it goes."""
    return field(default=default, metadata={"may_be_edited": True})


def editable(schema: type) -> dict[str, Any]:
    """The members that people may correct, with their defaults."""
    return {each.name: each.default for each in fields(schema) if each.metadata.get("may_be_edited")}


def check(context: dict[str, Any], schema: type) -> None:
    """Raise InvalidContextError, naming every fault, unless `context` has the members of the dataclass `schema`."""
    hints = get_type_hints(schema)
    required = {each.name for each in fields(schema) if each.default is MISSING}
    faults = [f"{name} is missing" for name in sorted(required - set(context))]
    faults += [f"{name} is not known" for name in sorted(set(context) - set(hints))]
    faults += [
        f"{name} is {type(value).__name__}"
        for name, value in sorted(context.items())
        if name in hints and not _is_a(value, hints[name])
    ]
    if faults:
        raise InvalidContextError(f"The saga's context is not that of a {schema.__name__}: {'; '.join(faults)}.")


def _is_a(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(_is_a(value, choice) for choice in get_args(hint))
    if origin is dict:
        key, inner = get_args(hint)
        return isinstance(value, dict) and all(_is_a(k, key) and _is_a(v, inner) for k, v in value.items())
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
