"""The ways an order can go: who does what, one after the other. Each act of ours is a process, which may be killed."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fraud.models import Decision
from payments.models import WebhookEvent
from tests.crash.processes import Ending, Point
from tests.crash.shop import Purchase
from tests.payments.builders import make_due

NOTHING: Final = Ending()
PARCEL_TAKEN: Final = Point("POST /v1/shipments", "after", signal="SIGSTOP")


class Act(ABC):
    """Something that is done about a purchase. `can_die`: by a process of ours."""

    can_die = True

    @abstractmethod
    def perform(self, purchase: Purchase, *, die: Point | None = None) -> Ending:
        """Do it; done already, it stays done."""

    def take_over(self, purchase: Purchase, *, die: Point | None, by_client: bool) -> Ending:
        """Do what the killed process left undone."""
        return self.perform(purchase, die=die)


class Request(Act):
    """A client's, or an operator's, request, always under the same key."""

    name: str
    by_operator = False

    @abstractmethod
    def path(self, purchase: Purchase) -> str: ...

    @abstractmethod
    def body(self, purchase: Purchase) -> dict[str, Any]: ...

    def perform(self, purchase: Purchase, *, die: Point | None = None, build: str = "") -> Ending:
        path, body, key = self.path(purchase), self.body(purchase), purchase.key(self.name)
        return purchase.shop.post(path, body, die, key=key, by_operator=self.by_operator, build=build)

    def task(self, purchase: Purchase) -> dict[str, Any]:
        """The same, for processes that do several things at once."""
        return purchase.shop.task(self.path(purchase), self.body(purchase), key=purchase.key(self.name))

    def take_over(self, purchase: Purchase, *, die: Point | None, by_client: bool) -> Ending:
        if by_client or not purchase.has_begun(self.name):
            return self.perform(purchase, die=die)
        return purchase.shop.processes.resume(die)


class Checkout(Request):
    name = "checkout"

    def path(self, purchase: Purchase) -> str:
        return f"orders/{purchase.order.public_id}/checkout"

    def body(self, purchase: Purchase) -> dict[str, Any]:
        return purchase.way.payment


class CheckoutRejectedMeanwhile(Checkout):
    """A reviewer says no while the parcel is being handed over: the process stands still until that is said."""

    def perform(self, purchase: Purchase, *, die: Point | None = None, build: str = "") -> Ending:
        path, body, key = self.path(purchase), self.body(purchase), purchase.key(self.name)
        ending = purchase.shop.post(path, body, die, PARCEL_TAKEN, key=key, build=build)
        if not ending.stopped:
            return ending
        Verdict("reject").perform(purchase)
        return purchase.shop.note(key, purchase.shop.processes.go_on(ending.stopped))


class Cancel(Request):
    name = "cancel"

    def path(self, purchase: Purchase) -> str:
        return f"orders/{purchase.order.public_id}/cancel"

    def body(self, purchase: Purchase) -> dict[str, Any]:
        return {}


class GiveBack(Request):
    """A refund over the API."""

    name = "refund"

    def path(self, purchase: Purchase) -> str:
        return f"charges/{purchase.charge.public_id}/refunds"

    def body(self, purchase: Purchase) -> dict[str, Any]:
        return {"amount": purchase.order.amount_minor // 4, "reason": "A scratch."}


@dataclass(frozen=True)
class Verdict(Request):
    """A reviewer's word."""

    verdict: str
    name = "verdict"
    by_operator = True

    def path(self, purchase: Purchase) -> str:
        decision = Decision.objects.get(attempt=purchase.checkout.public_id, stage="after_authorization")
        return f"fraud/decisions/{decision.public_id}/review"

    def body(self, purchase: Purchase) -> dict[str, Any]:
        return {"verdict": self.verdict, "note": "Seen."}


class Work(Act):
    """A worker carries on whatever is due."""

    def perform(self, purchase: Purchase, *, die: Point | None = None) -> Ending:
        return purchase.shop.processes.resume(die)


class TakeIn(Act):
    """A worker acts on the webhooks that have come in."""

    def perform(self, purchase: Purchase, *, die: Point | None = None) -> Ending:
        return purchase.shop.processes.take_in(die)


@dataclass(frozen=True)
class Click(Act):
    """The customer answers the challenge, at the gateway."""

    button: str
    can_die = False

    def perform(self, purchase: Purchase, *, die: Point | None = None) -> Ending:
        url = f"{purchase.shop.sandbox.url}/3ds/{purchase.charge.gateway_reference}/{self.button}"
        purchase.shop.sandbox.http.request("POST", url, fields={}, encode_multipart=False, redirect=False)
        make_due(purchase.checkout)  # the gateway is asked every few seconds
        return NOTHING


class Stray(Act):
    """The gateway authorizes once more what it has authorized already, and says so."""

    can_die = False

    def perform(self, purchase: Purchase, *, die: Point | None = None) -> Ending:
        order = purchase.order
        body = {"order": order.public_id, "amount": order.amount_minor, "currency": order.currency}
        key = f"{purchase.checkout.public_id}:stray:do:0"
        made = purchase.shop.sandbox.post("/v1/charges", {**body, "payment_method": "tok_visa"}, key=key).json()
        event = {"id": f"evt-{order.public_id}", "type": "charge.authorized", "data": made}
        WebhookEvent.objects.get_or_create(
            gateway="sandbox", event_id=event["id"], defaults={"kind": event["type"], "body": json.dumps(event)}
        )
        return NOTHING


@dataclass(frozen=True)
class Way:
    """A way an order can go.

    `order_status` and `done` are how an unharmed one ends, and what happened at gateway and carrier. `is_exact`: a
    harmed one ends just so; else it may come too early or too late for something, and only the invariants hold.
    """

    name: str
    acts: tuple[Act, ...]
    order_status: str
    done: Mapping[str, int]
    payment_method: str = "tok_visa"
    postal_code: str = "10001"
    settings: Mapping[str, str] = field(default_factory=dict)
    is_exact: bool = True

    def __str__(self) -> str:
        return self.name

    @property
    def payment(self) -> dict[str, Any]:
        return {"payment_method": self.payment_method}


PAID = {"authorize": 1, "capture": 1, "ship": 1}
IN_REVIEW = "tok_avs_partial"

FORWARD = Way("forward", (Checkout(),), "completed", PAID)
REFUNDED = Way(
    "refunded", (Checkout(),), "payment_failed", {"authorize": 1, "capture": 1, "refund": 1}, postal_code="99999"
)
VOIDED = Way("voided", (Checkout(),), "payment_failed", {"authorize": 1, "void": 1}, "tok_avs_mismatch")
APPROVED = Way("approved in review", (Checkout(), Verdict("approve"), Work()), "completed", PAID, IN_REVIEW)
REJECTED = Way("rejected in review", (Checkout(), Verdict("reject"), Work()), "payment_failed", VOIDED.done, IN_REVIEW)
AUTHENTICATED = Way(
    "3DS approved",
    (Checkout(), Click("approve"), Work()),
    "completed",
    {"authenticate": 1, "capture": 1, "ship": 1},
    "tok_3ds",
)
NOT_AUTHENTICATED = Way("3DS failed", (Checkout(), Click("fail"), Work()), "payment_failed", {}, "tok_3ds")
CANCELLED = Way("cancelled meanwhile", (Checkout(), Cancel(), Work()), "cancelled", VOIDED.done, IN_REVIEW)
GIVEN_BACK = Way("refunded on request", (Checkout(), GiveBack()), "completed", PAID | {"refund": 1})
REMEDIED = Way("remedied", (Checkout(), Stray(), TakeIn(), Work()), "completed", PAID | {"authorize": 2, "void": 1})
CALLED_BACK = Way(
    "called back",
    (CheckoutRejectedMeanwhile(),),
    "payment_failed",
    PAID | {"cancel_shipment": 1, "refund": 1},
    IN_REVIEW,
    settings={"FRAUD_REVIEW_MODE": "post_charge"},
    is_exact=False,
)
WAYS = (
    FORWARD, REFUNDED, VOIDED, APPROVED, REJECTED, AUTHENTICATED, NOT_AUTHENTICATED, CANCELLED, GIVEN_BACK, REMEDIED,
    CALLED_BACK,
)  # fmt: skip
