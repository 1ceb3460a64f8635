"""Typed, time-sortable ids: a UUIDv7 in the database, a TypeID (`ord_01h…`) everywhere else.

Source: the TypeID specification, version 0.3 (https://github.com/jetify-com/typeid).
"""

from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

from django.db import models
from typeid import TypeID
from typeid.errors import TypeIDException

_VERSION: Final = 7 << 76


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): ids made later sort later."""
    return UUID(bytes=TypeID().uuid.bytes)


def first_id(moment: datetime, *, earlier: timedelta = timedelta()) -> UUID:
    """No UUIDv7 (RFC 9562, section 5.7) of this millisecond or a later one is smaller: a time is a range of ids.

    Before 1970 it is the smallest of all.

    `earlier` moves the moment, also to where the calendar has ended.
    """
    milliseconds = int(moment.timestamp() * 1000) - int(earlier.total_seconds() * 1000)
    return UUID(int=max(milliseconds, 0) << 80 | _VERSION)


def made_at(value: UUID) -> datetime:
    """The millisecond in which a UUIDv7 was made, by the clock of the process that made it."""
    return datetime.fromtimestamp((value.int >> 80) / 1000, UTC)


def parse_id(prefix: str, text: str) -> UUID | None:
    """The UUID behind `text`, or None when it is not an id of this kind."""
    try:
        parsed = TypeID.from_string(text)
    except TypeIDException:
        return None
    return UUID(bytes=parsed.uuid.bytes) if parsed.prefix == prefix else None


def format_id(prefix: str, value: UUID) -> str:
    """The text under which the outside knows `value`."""
    return str(TypeID.from_uuid(value, prefix))  # type: ignore[arg-type]  # its stubs know another UUID class


def id_pattern(prefix: str) -> str:
    """A regular expression for ids of this kind; of 26 characters of five bits the first holds three."""
    return f"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"


class TypedModel(models.Model):
    """A row known outside by its `public_id`."""

    PREFIX: ClassVar[str]

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        return format_id(self.PREFIX, self.id)
