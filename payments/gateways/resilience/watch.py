"""Measure each call and keep it for the record, told apart by what it means for whoever made it."""

from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Any, Final, TypeVar

from prometheus_client import Counter, Histogram

from payments.errors import CardDeclinedError, GatewayTimeoutError, NeverSentError, PaymentError
from payments.gateways import audit
from payments.gateways.base import Call, Outcome, Result
from payments.models import GatewayCall

Class = GatewayCall.Outcome

CALLS = Counter("paydesk_gateway_calls_total", "Calls to a gateway.", ["gateway", "operation", "outcome"])
SECONDS = Histogram("paydesk_gateway_call_seconds", "Time of a call to a gateway.", ["gateway", "operation", "outcome"])

LOOK_UP: Final = "look_up"

_BY_RESULT: Final = {
    Result.SUCCEEDED: Class.SUCCEEDED,
    Result.PENDING: Class.PENDING,
    Result.REQUIRES_ACTION: Class.REQUIRES_ACTION,
    Result.DECLINED: Class.DECLINED,
    Result.FAILED: Class.REFUSED,
}

T = TypeVar("T")


def watched(gateway: str, operation: str, call: Callable[[], T], *, key: str = "") -> T:
    """What `call` returns or raises. `key` is the idempotency key it is sent with, or asks about."""
    outcome, calls, started = Class.UNKNOWN, list[Call](), monotonic()
    try:
        with audit.recorded_calls() as calls:
            answer = call()
        outcome = _class_of_answer(operation, answer)
    except PaymentError as error:
        outcome = _class_of_error(error)
        raise
    finally:
        labels: Any = (gateway, operation, outcome.value)
        CALLS.labels(*labels).inc()
        SECONDS.labels(*labels).observe(monotonic() - started)
        audit.pass_on(replace(one, gateway=gateway, key=key, outcome=outcome.value) for one in calls)
    return answer


def _class_of_answer(operation: str, answer: object) -> GatewayCall.Outcome:
    """A look-up that is answered has succeeded, whatever it tells of another call."""
    if isinstance(answer, Outcome) and operation != LOOK_UP:
        return _BY_RESULT[answer.result]
    return Class.SUCCEEDED


def _class_of_error(error: PaymentError) -> GatewayCall.Outcome:
    if isinstance(error, CardDeclinedError):
        return Class.DECLINED
    if isinstance(error, NeverSentError):
        return Class.NEVER_SENT
    return Class.UNKNOWN if isinstance(error, GatewayTimeoutError) else Class.REFUSED
