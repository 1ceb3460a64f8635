"""Input that is taken at its word: unknown members and wrong types are refused, never guessed at."""

import re
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

_BLANK = re.compile(r"[\s\ufeff]*")
"""What Python or ECMAScript takes for white space."""
_UNKNOWN = "This field is not known here."


class StrictCharField(serializers.CharField):
    """A JSON string, kept to the letter; numbers and booleans are not strings, and white space alone is blank."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if not self.allow_blank and _BLANK.fullmatch(data):
            self.fail("blank")
        return super().to_internal_value(data)


class StrictEmailField(StrictCharField, serializers.EmailField):
    """An e-mail address, without anything around it."""


class StrictURLField(StrictCharField, serializers.URLField):
    """An absolute address, without anything around it."""


class StrictIPAddressField(StrictCharField, serializers.IPAddressField):
    """An IPv4 or IPv6 address, without anything around it."""


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer: neither `"10"` nor `10.0` nor `true`."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class StrictBooleanField(serializers.BooleanField):
    """JSON's true or false: neither `"true"` nor 1."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictSerializer(serializers.Serializer[Any]):
    """Reports unknown members together with every other fault."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, Mapping) else set()
        faults: dict[str, Any] = {str(name): [ErrorDetail(_UNKNOWN, code="unknown")] for name in sorted(unknown)}
        try:
            value = super().to_internal_value(data)
        except ValidationError as error:
            raise ValidationError({**faults, **_as_dict(error)}) from error
        if faults:
            raise ValidationError(faults)
        return value


class NothingInput(StrictSerializer):
    """A request that says all with its address: its body is empty, or an empty object."""


def _as_dict(error: ValidationError) -> dict[str, Any]:
    return error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
