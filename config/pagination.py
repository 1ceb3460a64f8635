"""Keyset pages: stable while rows are added, and as quick on the last page as on the first."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Model, QuerySet
from rest_framework.exceptions import ParseError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

if TYPE_CHECKING:
    from rest_framework.views import APIView

PAGE_SIZE: Final = 20
MAX_PAGE_SIZE: Final = 100


class Cursor(NamedTuple):
    """The rows on one side of `id`, which is not among them."""

    is_backward: bool
    id: UUID

    def encode(self) -> str:
        return base64.urlsafe_b64encode(bytes([self.is_backward]) + self.id.bytes).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raise ParseError for anything `encode` did not make."""
        try:
            data = base64.b64decode(f"{text}=", altchars=b"-_", validate=True)
            cursor = cls(bool(data[0]), UUID(bytes=data[1:]))
        except (ValueError, IndexError, binascii.Error) as error:
            raise ParseError("The cursor is malformed.") from error
        if cursor.encode() != text:
            raise ParseError("The cursor is malformed.")
        return cursor


class KeysetPagination(BasePagination):
    """Newest first, by the time-sortable primary key."""

    def paginate_queryset(  # type: ignore[override]  # a list has no keys to seek by
        self, queryset: QuerySet[Any], request: Request, view: "APIView | None" = None
    ) -> list[Any]:
        self.url = request.build_absolute_uri()
        size = _page_size(request.query_params.get("page_size"))
        given = request.query_params.get("cursor")
        self.cursor = Cursor.decode(given) if given is not None else None
        rows = self._rows(queryset, size + 1)
        self.has_more = len(rows) > size
        self.page: list[Model] = rows[:size][:: -1 if self._is_backward else 1]
        return self.page

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.next_link(), "previous": self.previous_link()})

    def next_link(self) -> str | None:
        is_there = bool(self.page) and (self.has_more or self._is_backward)
        return self._link(Cursor(False, self.page[-1].pk)) if is_there else None

    def previous_link(self) -> str | None:
        is_there = bool(self.page) and (self.has_more if self._is_backward else self.cursor is not None)
        return self._link(Cursor(True, self.page[0].pk)) if is_there else None

    @property
    def _is_backward(self) -> bool:
        return self.cursor is not None and self.cursor.is_backward

    def _rows(self, queryset: QuerySet[Any], limit: int) -> list[Any]:
        if self.cursor is None:
            return list(queryset.order_by("-pk")[:limit])
        if self.cursor.is_backward:
            return list(queryset.filter(pk__gt=self.cursor.id).order_by("pk")[:limit])
        return list(queryset.filter(pk__lt=self.cursor.id).order_by("-pk")[:limit])

    def _link(self, cursor: Cursor) -> str:
        return replace_query_param(self.url, "cursor", cursor.encode())

    def get_paginated_response_schema(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        properties = {"results": schema, "next": link, "previous": link}
        return {"type": "object", "required": list(properties), "properties": properties}

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        size = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": PAGE_SIZE}
        return [
            {
                "name": "cursor",
                "in": "query",
                "description": "Out of `next` or `previous`.",
                "schema": {"type": "string"},
            },
            {"name": "page_size", "in": "query", "description": "Rows on a page.", "schema": size},
        ]


def _page_size(given: str | None) -> int:
    if given is None:
        return PAGE_SIZE
    if not re.fullmatch(r"[0-9]{1,3}", given) or not 1 <= int(given) <= MAX_PAGE_SIZE:
        raise ParseError(f"page_size is a number from 1 to {MAX_PAGE_SIZE}.")
    return int(given)
