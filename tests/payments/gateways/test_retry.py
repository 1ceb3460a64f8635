"""What is tried again at once, and until when."""

from collections.abc import Callable
from time import monotonic, sleep

import pytest

from payments.errors import (
    CardDeclinedError,
    CircuitOpenError,
    GatewayTimeoutError,
    NetworkError,
    NeverSentError,
    RateLimitedError,
)
from payments.gateways.resilience import retry


class Calls:
    """Raises what it is told, in turn, then answers."""

    def __init__(self, *errors: Exception, seconds: float = 0) -> None:
        self.errors = list(errors)
        self.seconds = seconds
        self.made = 0

    def __call__(self) -> str:
        self.made += 1
        sleep(self.seconds)
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def test_what_could_not_be_sent_is_tried_twice_more() -> None:
    calls = Calls(NetworkError(), NetworkError())

    assert (retry.retried(calls), calls.made) == ("answer", 3)


def test_and_no_more_than_that() -> None:
    calls = Calls(*(NetworkError() for _ in range(5)))

    with pytest.raises(NetworkError):
        retry.retried(calls)

    assert calls.made == 3


@pytest.mark.parametrize(
    "error", [GatewayTimeoutError, CardDeclinedError, RateLimitedError, CircuitOpenError, NeverSentError]
)
def test_nothing_else_is_tried_again(error: Callable[[], Exception]) -> None:
    calls = Calls(error())

    with pytest.raises(type(error())):
        retry.retried(calls)

    assert calls.made == 1


def test_a_connection_that_hangs_before_it_fails_is_not_tried_again() -> None:
    calls = Calls(*(NetworkError() for _ in range(5)), seconds=retry.WINDOW)

    with pytest.raises(NetworkError):
        retry.retried(calls)

    assert calls.made == 1


def test_nothing_is_tried_after_the_time_to_send_it() -> None:
    calls = Calls(*(NetworkError() for _ in range(5)))

    with retry.sending_until(monotonic() + 0.01), pytest.raises(NetworkError):
        retry.retried(calls)

    assert calls.made == 1


def test_what_took_its_time_before_it_could_be_sent_is_not_sent() -> None:
    with retry.sending_until(monotonic() - 0.01), pytest.raises(NeverSentError):
        retry.require_time()


def test_a_question_has_no_such_time() -> None:
    with retry.sending_until(monotonic() + 60):
        retry.require_time()

    retry.require_time()
