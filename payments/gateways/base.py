"""What Paydesk asks of a gateway, and what a gateway can say.

An adapter translates and nothing else. It raises `CardDeclinedError`, `OperationRefusedError` or
`InvalidRequestError` for a definite no, `NeverSentError` when the request did not arrive, and
`GatewayTimeoutError` for everything that leaves the outcome open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, Self


class Operation(StrEnum):
    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    SHIP = "ship"
    CANCEL_SHIPMENT = "cancel_shipment"


class Result(StrEnum):
    """What became of an operation. Anything but `PENDING` and `REQUIRES_ACTION` is final."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    DECLINED = "declined"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        return self not in (Result.PENDING, Result.REQUIRES_ACTION)


@dataclass(frozen=True, slots=True)
class Card:
    """What may be known of a card: never its number."""

    brand: str = ""
    last4: str = ""
    country: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One operation as the gateway reports it, in an answer, a look-up or a webhook.

    `transaction_id` is the gateway's name for this movement, `reference` for the charge (or parcel) it belongs to,
    `key` the idempotency key it was asked for with, where the gateway tells.
    """

    operation: Operation
    result: Result
    transaction_id: str
    reference: str
    amount_minor: int = 0
    currency: str = ""
    occurred_at: datetime | None = None
    card: Card = field(default_factory=Card)
    avs_result: str = ""
    cvv_result: str = ""
    decline_code: str = ""
    next_action_url: str = ""
    authorization_expires_at: datetime | None = None
    tracking_number: str = ""
    key: str = ""

    def as_json(self) -> dict[str, Any]:
        """The facts worth keeping beside the step that learned them."""
        return _jsonable(asdict(self))

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """The outcome of which `as_json` has kept these."""
        kinds = {"operation": Operation(facts["operation"]), "result": Result(facts["result"])}
        return cls(**{**facts, **_moments(facts), **kinds, "card": Card(**facts["card"])})


@dataclass(frozen=True, slots=True)
class DisputeReport:
    """How a dispute stands, as the gateway tells it in a webhook.

    `dispute` is the gateway's name for it, `reference` for the charge it is about; `status` is one of "open", "won" and
    "lost"; `is_withdrawn`: the gateway has taken the amount from our balance, as it does not for a mere inquiry.
    """

    dispute: str
    reference: str
    status: str
    amount_minor: int
    currency: str
    reason: str = ""
    evidence_due_at: datetime | None = None
    opened_at: datetime | None = None
    is_withdrawn: bool = True

    def as_json(self) -> dict[str, Any]:
        return _jsonable(asdict(self))

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """The report of which `as_json` has kept these."""
        return cls(**{**facts, **_moments(facts)})


@dataclass(frozen=True, slots=True)
class Request:
    """A frozen request: sent again, it is the same to the letter.

    `reference` is the gateway's name of the charge or parcel an operation works on; empty for the first one.
    """

    key: str
    order: str
    amount_minor: int = 0
    currency: str = ""
    reference: str = ""
    payment_method: str = ""
    three_d_secure: bool = False
    return_url: str = ""
    address: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Found:
    """What a peer keeps under one of its own names: the charge (or parcel) `reference`, made for our `order`.

    `outcomes` is everything that was asked of it, oldest first.
    """

    reference: str
    order: str
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One exchange with a gateway, for the record: redacted before it is stored.

    Whom it was with, under which key, and what the call it was part of came to, is added around the adapter.
    """

    operation: str
    url: str
    status: int | None
    milliseconds: int
    request: Any
    answer: Any
    gateway: str = ""
    key: str = ""
    outcome: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a gateway promises.

    `two_call_authorize`: it first makes a payment that cannot move money (`open`), then confirms it (`authorize`).
    `can_be_asked`: it has a look-up at all; one that has none tells what became of a request by webhook alone.
    `absence_is_proof`: its look-up is strongly consistent, so what it does not find did not happen.
    `key_retention`: how long it honours an idempotency key. `settle_delay`: how long after a request has ended
    its effect may still appear.
    """

    timeout: timedelta
    settle_delay: timedelta
    key_retention: timedelta = timedelta(hours=24)
    can_be_asked: bool = True
    absence_is_proof: bool = False
    partial_capture: bool = False
    two_call_authorize: bool = False


def _jsonable(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says nothing."""
    told = {name: value for name, value in facts.items() if value not in ("", None)}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}


def _moments(facts: Mapping[str, Any]) -> dict[str, datetime]:
    """The times among them."""
    return {name: datetime.fromisoformat(value) for name, value in facts.items() if name.endswith("_at")}


class PaymentGateway(Protocol):
    name: str
    capabilities: Capabilities

    def require_known(self, payment_method: str) -> None:
        """Raise InvalidRequestError for a payment method that can never be charged; asks nobody."""
        ...

    def authorize(self, request: Request) -> Outcome:
        """Reserve `amount_minor` on the customer's card; where `open` was called, for the payment `reference`."""
        ...

    def capture(self, request: Request) -> Outcome:
        """Take an authorized amount."""
        ...

    def void(self, request: Request) -> Outcome:
        """Let an authorization go, or make a payment that waits for its customer impossible."""
        ...

    def refund(self, request: Request) -> Outcome:
        """Give back a captured amount, or part of it."""
        ...

    def look_up(self, operation: Operation, request: Request) -> Outcome | None:
        """What became of this request; None when the gateway knows nothing of it.

        A gateway that cannot be asked raises CannotBeAskedError, here and in the three that follow.
        """
        ...

    def find(self, name: str) -> Found | None:
        """The charge the gateway knows by this name, or to which a movement of this name belongs; None when neither.

        Raise GatewayTimeoutError or NeverSentError when it does not say.
        """
        ...

    def is_dead(self, reference: str) -> bool:
        """Whether the charge can neither be confirmed nor captured any more."""
        ...

    def list_transactions(self, day: date) -> Sequence[Outcome]:
        """The movements of one UTC day."""
        ...

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
        """Raise WebhookSignatureError or WebhookReplayError unless the gateway sent exactly this, just now."""
        ...

    def identify_webhook(self, body: bytes) -> tuple[str, str]:
        """The event's id and its type; raise WebhookSignatureError when the body is no event."""
        ...

    def parse_webhook(self, body: bytes) -> Outcome | DisputeReport | None:
        """What an event reports of a movement or a dispute, if it does."""
        ...


class TwoCallGateway(PaymentGateway, Protocol):
    """One with `two_call_authorize`."""

    def open(self, request: Request) -> str:
        """Make the payment that `authorize` will confirm; its reference. No money can move by it."""
        ...


class Carrier(Protocol):
    name: str
    capabilities: Capabilities

    def ship(self, request: Request) -> Outcome:
        """Hand the parcel over."""
        ...

    def cancel_shipment(self, request: Request) -> Outcome:
        """Call the parcel back."""
        ...

    def find(self, name: str) -> Found | None:
        """The parcel the carrier knows by this name, or to which something done under it belongs; None when neither."""
        ...

    def look_up(self, operation: Operation, request: Request) -> Outcome | None:
        """What became of this request; None when the carrier knows nothing of it."""
        ...
