"""Begin a saga for a client under its idempotency key, carry it on while the client waits, and answer."""

from collections.abc import Callable

from django.http import HttpResponse
from rest_framework.request import Request

from payments import services
from payments.api import answers
from payments.idempotency import Idempotency, frozen_response
from payments.models import IdempotencyKey
from payments.sagas.run import Run

Start = Callable[[IdempotencyKey, bool], Run]
"""Begins the saga in the caller's transaction, with the key and whether this process carries it on."""


def run_once(request: Request, start: Start, *, require: Callable[[], None] | None = None) -> HttpResponse:
    """The same key, the same saga: 2xx or the failure once it is final, 202 until then.

    `require` raises for what must not begin; what has begun is answered all the same.
    """
    idempotency = Idempotency.of(request)
    key = idempotency.recall()
    if key is not None:
        return _replay(key)
    if require is not None:
        require()
    is_inline = not _prefers_async(request)
    with idempotency.first_commit() as first_use:
        run = start(first_use.row, is_inline)
    if is_inline:
        services.carry_on(run)
    return run.answer or answers.present_answer(run.saga.pk, is_replay=False)


def _prefers_async(request: Request) -> bool:
    """`Prefer: respond-async` (RFC 7240)."""
    preferences = request.headers.get("Prefer", "").split(",")
    return any(preference.split(";")[0].strip().lower() == "respond-async" for preference in preferences)


def _replay(key: IdempotencyKey) -> HttpResponse:
    """The frozen answer; else attach to the saga the key began, should nobody be carrying it on."""
    if key.is_frozen:
        return frozen_response(key)
    services.attach(key.saga)
    return answers.present_answer(key.saga.pk, is_replay=True)
