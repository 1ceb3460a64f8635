"""Keep every exchange with a gateway, redacted, for whoever reads the saga later."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from payments.gateways.base import Call
from payments.redaction import redact

_calls: ContextVar[list[Call] | None] = ContextVar("gateway_calls", default=None)


@contextmanager
def recorded_calls() -> Iterator[list[Call]]:
    """Collect the calls made inside."""
    calls: list[Call] = []
    token = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(token)


def record_call(call: Call) -> None:
    calls = _calls.get()
    if calls is not None:
        calls.append(
            Call(
                operation=call.operation,
                url=redact(call.url),
                status=call.status,
                milliseconds=call.milliseconds,
                request=redact(call.request),
                answer=redact(call.answer),
            )
        )
