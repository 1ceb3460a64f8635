"""Faults told to the sandbox: what they do, whom they hit, and for how long.

`operation` names what is hit: authorize, capture, void, refund, ship, cancel_shipment or look_up. Left out, every
operation of the gateway and the carrier is hit, but not look_up. `times` is how many calls (for the webhook faults:
events) are hit; left out, every one until the faults are cleared. `seconds` is read by the fault:

| fault | does | `seconds` |
|---|---|---|
| latency | waits before anything is done | the wait (1) |
| drop_before | does nothing, never answers | how long the fault lasts (until cleared) |
| status_500, status_429 | does nothing, answers so | how long it lasts |
| reset_after | does it, then resets the connection | how long it lasts |
| drop_after | does it, never answers | how long it lasts |
| garbage | does it, answers 200 with HTML | how long it lasts |
| wrong_amount, wrong_currency | does it with another amount or currency, and stands by that | how long it lasts |
| lagging_look_up | look-ups answer as of then | how far they lag behind (5) |
| fail_refund_later | a refund succeeds, then fails | after how long it fails (1) |
| duplicate_webhooks | sends the event twice | how long it lasts |
| delay_webhooks | sends the event later | how much later (5) |
| reorder_webhooks | holds events, sends the newest first | how long they are held (2) |
| refuse_connection | at once: closes the port and every idle connection | how long (3) |
| forget_keys | at once: forgets every idempotency key; operations stay findable | |
| expire_authorizations | at once: every authorized charge expires | |

Faults live in the process: a restart clears them, as `DELETE /faults` does.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

from payments.sandbox.messages import JsonObject, Refusal

OPERATIONS = ("authorize", "capture", "void", "refund", "ship", "cancel_shipment", "look_up")

AT_ONCE = frozenset({"refuse_connection", "forget_keys", "expire_authorizations"})
LASTING = frozenset(
    {"drop_before", "status_500", "status_429", "reset_after", "drop_after", "garbage", "wrong_amount"}
    | {"wrong_currency", "duplicate_webhooks"}
)
DELAY_SECONDS = {
    "latency": 1.0,
    "lagging_look_up": 5.0,
    "fail_refund_later": 1.0,
    "delay_webhooks": 5.0,
    "reorder_webhooks": 2.0,
    "refuse_connection": 3.0,
}
"""Faults whose `seconds` is a delay, with what it is when it is left out."""

ONLY_FOR = {"lagging_look_up": "look_up", "fail_refund_later": "refund"}
FAULTS = AT_ONCE | LASTING | DELAY_SECONDS.keys()

MAX_SECONDS = 3600


@dataclass
class Fault:
    fault: str
    operation: str | None = None
    times: int | None = None
    seconds: float | None = None
    ends_at: float | None = None
    """On the monotonic clock."""

    def hits(self, name: str, operation: str, now: float) -> bool:
        if self.fault != name or (self.ends_at is not None and now >= self.ends_at):
            return False
        return self.operation == operation or (self.operation is None and operation != "look_up")

    def public(self) -> JsonObject:
        return {"fault": self.fault, "operation": self.operation, "times": self.times, "seconds": self.seconds}


class Faults:
    """The faults in force. Safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._active.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._active.clear()

    def public(self) -> list[JsonObject]:
        with self._lock:
            self._forget_the_ended(time.monotonic())
            return [fault.public() for fault in self._active]

    def take(self, operation: str, *names: str) -> Fault | None:
        """The first fault of these names that hits this operation, counted as one hit."""
        if not self._active:
            return None
        with self._lock:
            now = time.monotonic()
            self._forget_the_ended(now)
            hit = next((f for name in names for f in self._active if f.hits(name, operation, now)), None)
            if hit is not None and hit.times is not None:
                hit.times -= 1
            return hit

    def _forget_the_ended(self, now: float) -> None:
        self._active = [f for f in self._active if f.times != 0 and (f.ends_at is None or now < f.ends_at)]


def parse_fault(body: JsonObject) -> Fault:
    """Read the body of `POST /faults`. Raises Refusal for what is unknown or out of range."""
    if unknown := sorted(body.keys() - {"fault", "operation", "times", "seconds"}):
        raise Refusal(400, "parameter_unknown", f"Unknown: {', '.join(unknown)}.")
    name, operation = body.get("fault"), body.get("operation")
    if not isinstance(name, str) or name not in FAULTS:
        raise Refusal(400, "unknown_fault", f"fault must be one of {', '.join(sorted(FAULTS))}.")
    if operation is not None and operation not in OPERATIONS:
        raise Refusal(400, "unknown_operation", f"operation must be one of {', '.join(OPERATIONS)}.")
    times, seconds = _times(body.get("times")), _seconds(body.get("seconds"))
    ends_at = time.monotonic() + seconds if name in LASTING and seconds is not None else None
    return Fault(
        name, operation or ONLY_FOR.get(name), times, DELAY_SECONDS.get(name) if seconds is None else seconds, ends_at
    )


def _times(value: Any) -> int | None:
    if value is None or (type(value) is int and value > 0):
        return value
    raise Refusal(400, "parameter_invalid", "times must be a whole number from 1 on.")


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) in (int, float) and 0 <= value <= MAX_SECONDS:
        return float(value)
    raise Refusal(400, "parameter_invalid", f"seconds must be a number from 0 to {MAX_SECONDS}.")
