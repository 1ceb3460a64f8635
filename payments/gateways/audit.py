"""Keep every exchange with a gateway, redacted, for whoever reads about it later."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from django.db import transaction

from payments.gateways.base import Call
from payments.models import GatewayCall, SagaExecution
from payments.redaction import redact

LONGEST_ADDRESS = 500
"""Characters of one that are kept."""

_calls: ContextVar[list[Call] | None] = ContextVar("gateway_calls", default=None)


@contextmanager
def recorded_calls() -> Iterator[list[Call]]:
    """Collect the calls made inside; who does keeps them, in the commit that records what they came to."""
    calls: list[Call] = []
    token = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(token)


def record_call(call: Call) -> None:
    calls = _calls.get()
    if calls is not None:
        redacted = {"url": redact(call.url), "request": redact(call.request), "answer": redact(call.answer)}
        calls.append(replace(call, **redacted))


def pass_on(calls: Iterable[Call]) -> None:
    """To whoever collects around here; what nobody collects is kept at once."""
    collected = _calls.get()
    if collected is None:
        keep(calls)
    else:
        collected.extend(calls)


def keep(calls: Iterable[Call], **about: Any) -> None:
    """Write a row each. `about` is whatever of order, saga and step is known.

    The saga is locked first, as everywhere: the database checks the rows' keys by locking what they point at, and would
    begin with the order.
    """
    made = rows(calls, **about)
    with transaction.atomic():
        if made and "saga" in about:
            saga = SagaExecution.objects.select_for_update(no_key=True).filter(pk=about["saga"].pk)
            saga.values_list("pk").first()
        GatewayCall.objects.bulk_create(made)


def rows(calls: Iterable[Call], **about: Any) -> list[GatewayCall]:
    """The rows of calls made around the adapters; others say nothing of whom they were made to."""
    return [
        GatewayCall(
            gateway=call.gateway,
            operation=call.operation,
            outcome=call.outcome,
            key=call.key,
            url=call.url[:LONGEST_ADDRESS],
            status=call.status,
            milliseconds=call.milliseconds,
            request=call.request,
            answer=call.answer,
            **about,
        )
        for call in calls
    ]
