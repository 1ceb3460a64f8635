"""One key, one execution, however often a client asks.

The key's row commits together with what the request begins, and its answer is frozen by the commit that settles it;
so there is no moment in which a crash leaves a key that answers wrongly. Behaviour follows Stripe's API and the
IETF draft "The Idempotency-Key HTTP Header Field".
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, cast

import structlog
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request

from payments.errors import (
    IdempotencyConflictError,
    IdempotencyInFlightError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyMissingError,
)
from payments.models import IdempotencyKey

REPLAYED = "Idempotent-Replayed"
MAX_KEY_LENGTH = 255


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Put `request.idempotency` where views of every app find it."""

    def handle(request: HttpRequest) -> HttpResponse:
        request.idempotency = Idempotency(request)  # type: ignore[attr-defined]
        return get_response(request)

    return handle


class Idempotency:
    """What a request's `Idempotency-Key` means. Needs the view to have authenticated the request."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @classmethod
    def of(cls, request: Request) -> Self:
        """The one the middleware made for this request."""
        return cast("Self", cast("Any", request).idempotency)

    def recall(self) -> IdempotencyKey | None:
        """The earlier use of this key, with its saga; None when this is the first.

        Raise IdempotencyKeyMissingError, IdempotencyKeyInvalidError, or IdempotencyConflictError when the key was
        used for another request.
        """
        used = IdempotencyKey.objects.filter(client_id=self._client_id, key=self._key)
        row = used.select_related("saga").first()
        if row is not None and row.fingerprint != self._fingerprint:
            raise IdempotencyConflictError
        return row

    def replay(self) -> HttpResponse | None:
        """The frozen answer of the earlier use; None when this is the first.

        For requests that settle in one commit. Raises as `recall` does.
        """
        row = self.recall()
        return None if row is None else frozen_response(row)

    @contextmanager
    def first_commit(self) -> Iterator["FirstUse"]:
        """The transaction in which the key and what it begins come into being together.

        Raise IdempotencyInFlightError when another request with the same key was faster.
        """
        request_id = structlog.contextvars.get_contextvars().get("request_id", "")
        row = IdempotencyKey(
            client_id=self._client_id, key=self._key, fingerprint=self._fingerprint, request_id=request_id
        )
        with transaction.atomic():
            try:
                row.save(force_insert=True)
            except IntegrityError as error:
                raise IdempotencyInFlightError from error
            yield FirstUse(row)

    @property
    def _client_id(self) -> int:
        return cast("User", self._request.user).pk

    @property
    def _key(self) -> str:
        header = self._request.headers.get("Idempotency-Key")
        if header is None:
            raise IdempotencyKeyMissingError
        return parse_key(header)

    @property
    def _fingerprint(self) -> str:
        request = self._request
        parts = (
            request.method or "",
            request.path,
            json.dumps(sorted((name, values) for name, values in request.GET.lists())),
            canonical(request.body),
        )
        return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


class FirstUse:
    """A key in its first commit."""

    def __init__(self, row: IdempotencyKey) -> None:
        self.row = row

    def freeze(self, status: int, body: bytes, *, headers: Mapping[str, str]) -> HttpResponse:
        """Settle the request in this very commit; return the answer to send."""
        freeze(self.row.pk, status, body, headers=headers)
        return HttpResponse(body, status=status, headers=dict(headers))


def freeze(key_id: int, status: int, body: bytes, *, headers: Mapping[str, str]) -> None:
    """Every later use of the key gets exactly these bytes. The first to freeze wins."""
    IdempotencyKey.objects.filter(pk=key_id, status=None).update(
        status=status, answer=body, headers=dict(headers), frozen_at=Now()
    )


def frozen_response(row: IdempotencyKey) -> HttpResponse:
    """The answer this key was settled with, to the byte."""
    return HttpResponse(bytes(row.answer), status=row.status, headers={**row.headers, REPLAYED: "true"})


def parse_key(header: str) -> str:
    """A bare token, or a quoted string (RFC 8941); raise IdempotencyKeyInvalidError."""
    key = header.strip(" \t")
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not (key.isascii() and key.isprintable()):
        raise IdempotencyKeyInvalidError
    return key


def canonical(body: bytes) -> str:
    """The same text for bodies that say the same: white space and the order of members do not count."""
    try:
        parsed: Any = json.loads(body)
        return json.dumps(parsed, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return hashlib.sha256(body).hexdigest()
