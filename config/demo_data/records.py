"""Rows of the past, made one by one and written together."""

import secrets
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import models

_VERSION: Final = 7 << 76
_VARIANT: Final = 2 << 62


class Records:
    """Rows by model, in the order in which they were added."""

    def __init__(self) -> None:
        self._rows: dict[type[models.Model], list[models.Model]] = defaultdict(list)

    def add(self, *rows: models.Model) -> None:
        for row in rows:
            self._rows[type(row)].append(row)

    def take(self, other: "Records") -> None:
        for rows in other._rows.values():
            self.add(*rows)

    def write(self) -> None:
        """In the caller's transaction."""
        for model, rows in self._rows.items():
            model._default_manager.bulk_create(rows)


def id_at(moment: datetime) -> UUID:
    """A UUIDv7 (RFC 9562, section 5.7) of a past moment, so that old rows sort where they belong."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | _VERSION | secrets.randbits(12) << 64 | _VARIANT | secrets.randbits(62))


def dated(moment: datetime) -> Mapping[str, datetime]:
    """The fields of a row that came into being then and was not touched later."""
    return {"created_at": moment, "updated_at": moment}
