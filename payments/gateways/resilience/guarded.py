"""An adapter with everything that stands around one. Nobody in this house talks to a bare adapter."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Final, TypeVar, cast

from payments.errors import CannotBeAskedError
from payments.gateways.base import (
    Carrier,
    DisputeReport,
    Found,
    Operation,
    Outcome,
    PaymentGateway,
    Request,
    TwoCallGateway,
)
from payments.gateways.resilience import limiter, retry
from payments.gateways.resilience.breaker import Breaker
from payments.gateways.resilience.watch import LOOK_UP, watched

PROBE_MARGIN: Final = 2.0
"""Seconds a probe may take beside its calls, of which `find` makes two."""

T = TypeVar("T")


class _Guarded:
    """`peer` is what the breaker, the metrics and the record call it: a carrier may have a gateway's name."""

    def __init__(self, adapter: PaymentGateway | Carrier, peer: str) -> None:
        self.name = adapter.name
        self.peer = peer
        self.capabilities = adapter.capabilities
        self._asked = adapter
        self._breaker = Breaker(peer, lease=2 * self.capabilities.timeout.total_seconds() + PROBE_MARGIN)

    def is_up(self) -> bool:
        """Whether nothing is known against asking it now."""
        return self._breaker.is_up()

    def look_up(self, operation: Operation, request: Request) -> Outcome | None:
        return self._inquire(LOOK_UP, partial(self._asked.look_up, operation, request), key=request.key)

    def find(self, name: str) -> Found | None:
        return self._inquire(LOOK_UP, partial(self._asked.find, name))

    def _inquire(self, operation: str, call: Callable[[], T], *, key: str = "") -> T:
        """Something that moves nothing. That nobody can be asked says nothing about how the gateway is."""
        if not self.capabilities.can_be_asked:
            raise CannotBeAskedError
        return self._ask(operation, call, key=key)

    def _send(self, operation: str, call: Callable[[Request], T], request: Request) -> T:
        """Something that moves: not after its time."""

        def in_time() -> T:
            retry.require_time()
            return call(request)

        return self._ask(operation, in_time, key=request.key)

    def _ask(self, operation: str, call: Callable[[], T], *, key: str = "") -> T:
        def once() -> T:
            with self._breaker.watching():
                limiter.take(self.peer)
                return watched(self.peer, operation, call, key=key)

        return retry.retried(once)


class GuardedGateway(_Guarded):
    def __init__(self, adapter: PaymentGateway) -> None:
        super().__init__(adapter, adapter.name)
        self._adapter = adapter

    def require_known(self, payment_method: str) -> None:
        self._adapter.require_known(payment_method)

    def open(self, request: Request) -> str:
        return self._send("open", cast(TwoCallGateway, self._adapter).open, request)

    def authorize(self, request: Request) -> Outcome:
        return self._send(Operation.AUTHORIZE, self._adapter.authorize, request)

    def capture(self, request: Request) -> Outcome:
        return self._send(Operation.CAPTURE, self._adapter.capture, request)

    def void(self, request: Request) -> Outcome:
        return self._send(Operation.VOID, self._adapter.void, request)

    def refund(self, request: Request) -> Outcome:
        return self._send(Operation.REFUND, self._adapter.refund, request)

    def is_dead(self, reference: str) -> bool:
        return self._inquire(LOOK_UP, partial(self._adapter.is_dead, reference))

    def list_transactions(self, day: date) -> Sequence[Outcome]:
        return self._inquire("list_transactions", partial(self._adapter.list_transactions, day))

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
        self._adapter.verify_webhook(headers, body, now=now)

    def identify_webhook(self, body: bytes) -> tuple[str, str]:
        return self._adapter.identify_webhook(body)

    def parse_webhook(self, body: bytes) -> Outcome | DisputeReport | None:
        return self._adapter.parse_webhook(body)


class GuardedCarrier(_Guarded):
    def __init__(self, adapter: Carrier) -> None:
        super().__init__(adapter, peer_of_carrier(adapter.name))
        self._adapter = adapter

    def ship(self, request: Request) -> Outcome:
        return self._send(Operation.SHIP, self._adapter.ship, request)

    def cancel_shipment(self, request: Request) -> Outcome:
        return self._send(Operation.CANCEL_SHIPMENT, self._adapter.cancel_shipment, request)


def peer_of_carrier(name: str) -> str:
    """What a carrier is called among gateways."""
    return f"{name}_carrier"
