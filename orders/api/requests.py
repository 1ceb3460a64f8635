"""What every endpoint needs of its request, whatever app it is in."""

from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from orders.errors import DomainError
from orders.ids import TypedModel, parse_id

Row = TypeVar("Row", bound=TypedModel)
Permissions = dict[str, str]
"""The permission a view wants for each method."""
Refusals = tuple[type[DomainError], ...]
"""What a view's POST answers beside the errors every request may meet; the OpenAPI document is made of it."""


class FirstUse(Protocol):
    """A key in the commit that makes it."""

    def freeze(self, status: int, body: bytes, *, headers: dict[str, str]) -> HttpResponse: ...


class Idempotency(Protocol):
    """What a middleware from further up puts at `request.idempotency`; see there for what it raises."""

    def replay(self) -> HttpResponse | None: ...

    def first_commit(self) -> AbstractContextManager[FirstUse]: ...


def idempotency_of(request: Request) -> Idempotency:
    return cast("Idempotency", cast("Any", request).idempotency)


def client_of(request: Request) -> User:
    """The user behind the token; permissions have made sure that there is one."""
    return cast("User", request.user)


def find(rows: QuerySet[Row], public_id: str) -> Row:
    """The row with this id among those the caller may see; raise NotFound."""
    row_id = parse_id(rows.model.PREFIX, public_id)
    row = rows.filter(pk=row_id).first() if row_id is not None else None
    if row is None:
        raise NotFound
    return row
