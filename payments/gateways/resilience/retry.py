"""Try again at once what could not even be sent, and nothing else: whether to send again later is the saga's to say."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from random import uniform
from time import monotonic, sleep
from typing import Final, TypeVar

from payments.errors import NetworkError, NeverSentError

PAUSES: Final = (0.05, 0.15)
"""Seconds before each further try, jittered by half."""
WINDOW: Final = 0.25
"""Tries begin within so many seconds: a refused connection says so at once, and one that hangs is not tried again."""

T = TypeVar("T")

_send_by: ContextVar[float | None] = ContextVar("gateway_send_by", default=None)


@contextmanager
def sending_until(send_by: float) -> Iterator[None]:
    """Nothing that moves money is sent after `send_by`, on this process's monotonic clock: what others infer from
    silence depends on it (docs/adr/0008).
    """
    token = _send_by.set(send_by)
    try:
        yield
    finally:
        _send_by.reset(token)


def require_time() -> None:
    """Raise NeverSentError when it is too late to send: what stands before the adapter may have taken its time."""
    send_by = _send_by.get()
    if send_by is not None and monotonic() > send_by:
        raise NeverSentError("The time to send this request had passed.")


def retried(call: Callable[[], T]) -> T:
    """What `call` returns or raises, at the latest after as many more tries as there are pauses."""
    last = monotonic() + WINDOW
    send_by = _send_by.get()
    if send_by is not None:
        last = min(last, send_by)
    for pause in PAUSES:
        try:
            return call()
        except NetworkError:
            jittered = pause * uniform(0.5, 1)  # noqa: S311  # it is no secret
            if monotonic() + jittered > last:
                raise
            sleep(jittered)
    return call()
