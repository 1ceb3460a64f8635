"""What every list's filters have in common: a value is taken at its word, or named as a fault."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

import django_filters
from django import forms
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field

from orders.ids import TypedModel, first_id, id_pattern, parse_id

MOMENT: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
CLOCKS_DIFFER: Final = timedelta(hours=1)
"""An id is made by the clock of the application, `created_at` by that of the database: so far they may be apart."""


class MomentField(forms.Field):
    """A date or a date with a time as RFC 3339 writes them; UTC unless it says otherwise."""

    default_error_messages: ClassVar = {"invalid": "A date such as 2026-03-01, or 2026-03-01T12:00:00Z, is expected."}

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            return _moment(str(value))
        except (ValueError, OverflowError) as error:  # the calendar ends before what an offset may ask for
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error


def _moment(text: str) -> datetime:
    if not re.fullmatch(MOMENT, text):
        raise ValueError(text)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


class IdField(forms.Field):
    """The typed id of a row, such as `ord_01h…`."""

    def __init__(self, *, prefix: str, **options: Any) -> None:
        self.prefix = prefix
        super().__init__(**options)

    def to_python(self, value: Any) -> UUID | None:
        if value in self.empty_values:
            return None
        row_id = parse_id(self.prefix, str(value))
        if row_id is None:
            raise forms.ValidationError(f"An id that begins with {self.prefix}_ is expected.", code="invalid")
        return row_id


@extend_schema_field(
    {
        "type": "string",
        "pattern": f"^{MOMENT}$",
        "description": "A date, or a date with a time as in RFC 3339; UTC unless it says otherwise.",
    }
)
class CreatedFilter(django_filters.Filter):
    """Rows made from a moment on, or before it; `field_name` is the column that says when.

    Their ids sort by the same time, so the list's own index is sought.
    """

    field_class = MomentField

    def __init__(self, *, is_end: bool, field_name: str = "created_at") -> None:
        self.is_end = is_end
        super().__init__(field_name)

    def filter(self, rows: QuerySet[Any], moment: datetime | None) -> QuerySet[Any]:
        if moment is None:
            return rows
        if self.is_end:
            return rows.filter(**{f"{self.field_name}__lt": moment}, pk__lt=first_id(moment, earlier=-CLOCKS_DIFFER))
        return rows.filter(**{f"{self.field_name}__gte": moment}, pk__gte=first_id(moment, earlier=CLOCKS_DIFFER))


class IdFilter(django_filters.Filter):
    """Rows that belong to the one with this id; `field_name` is the column."""

    field_class = IdField

    def __init__(self, model: type[TypedModel], field_name: str) -> None:
        super().__init__(field_name, prefix=model.PREFIX)
        told = f"An id that begins with `{model.PREFIX}_`."
        extend_schema_field({"type": "string", "pattern": id_pattern(model.PREFIX), "description": told})(self)


class TextFilter(django_filters.CharFilter):
    """Equal to the letter, blanks included; `field_name` is the column, where it is called otherwise."""

    def __init__(self, field_name: str | None = None, *, max_length: int) -> None:
        super().__init__(field_name, max_length=max_length, strip=False)
        extend_schema_field({"type": "string", "minLength": 1, "maxLength": max_length})(self)


class CreatedFilters(django_filters.FilterSet):
    """`created_after` includes its moment, `created_before` does not: days neither overlap nor leave gaps."""

    created_after = CreatedFilter(is_end=False)
    created_before = CreatedFilter(is_end=True)
