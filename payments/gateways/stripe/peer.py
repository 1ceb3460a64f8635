"""What both of Stripe's gateways share: refunds, transactions, webhooks."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar

import stripe
from django.conf import settings

from payments.errors import GatewayTimeoutError, InvalidRequestError
from payments.gateways.base import Capabilities, DisputeReport, Found, Operation, Outcome, Request, Result
from payments.gateways.http import makes_sense
from payments.gateways.stripe import objects
from payments.gateways.stripe.amounts import from_stripe, to_stripe
from payments.gateways.stripe.client import asking, make_client
from payments.gateways.stripe.objects import Json
from payments.webhooks import signatures

PAGE = 100
_MOVEMENTS = {
    "charge": Operation.CAPTURE,
    "payment": Operation.CAPTURE,
    "refund": Operation.REFUND,
    "payment_refund": Operation.REFUND,
}
_DONE = (Result.SUCCEEDED, Result.PENDING)
_DISPUTE_EVENTS = "charge.dispute."
_REFUND_EVENTS = {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}


class StripePeer(ABC):
    two_call_authorize: ClassVar[bool]
    tokens: ClassVar[tuple[str, ...]]
    """How a payment method begins."""
    parent: ClassVar[str]
    """What a refund calls the object that this gateway's charges are known by."""
    outcomes: ClassVar[Mapping[Operation, Callable[[Json], Outcome | None]]]
    """How a payment tells what became of each operation."""
    events: ClassVar[Mapping[str, Callable[[Json], Outcome | None]]]
    """What an event's payment tells."""

    def __init__(self) -> None:
        # Stripe keeps keys for a day at least; a request goes on there when its caller has hung up.
        self.capabilities = Capabilities(
            timeout=timedelta(seconds=settings.GATEWAY_TIMEOUT_SECONDS),
            settle_delay=timedelta(seconds=settings.STRIPE_SETTLE_DELAY_SECONDS),
            key_retention=timedelta(hours=24),
            absence_is_proof=True,
            partial_capture=True,
            two_call_authorize=self.two_call_authorize,
        )
        self._stripe: stripe.StripeClient = make_client()

    def require_known(self, payment_method: str) -> None:
        if not payment_method.startswith(self.tokens):
            raise InvalidRequestError("This payment method is unknown to the gateway.", field="payment_method")

    @abstractmethod
    def _retrieve(self, name: str) -> Json | None:
        """The payment of this name; None when there is none."""

    @abstractmethod
    def _behind(self, name: str) -> str:
        """The name of the payment to which something of this name belongs."""

    def _told(self, operation: Operation, payment: Json) -> Outcome:
        outcome = self.outcomes[operation](payment)
        if outcome is None:
            raise GatewayTimeoutError("The gateway's answer does not say what became of the request.")
        return outcome

    def find(self, name: str) -> Found | None:
        payment = self._retrieve(self._behind(name))
        if payment is None:
            return None
        with makes_sense():
            asked = [told(payment) for told in self.outcomes.values()]
            done = [each for each in asked if each and (each.result in _DONE or each.operation == Operation.AUTHORIZE)]
            given_back = self._given_back(payment["id"], done)
            return Found(payment["id"], objects.order_of(payment), (*done, *given_back))

    def _given_back(self, reference: str, done: Sequence[Outcome]) -> list[Outcome]:
        """The refunds of a payment to which this was done, oldest first.

        The part that a capture leaves is in some versions of the API a refund too, which nobody asked for.
        """
        amounts = {each.operation: each.amount_minor for each in done}
        if Operation.CAPTURE not in amounts:
            return []
        left = amounts.get(Operation.AUTHORIZE, 0) - amounts[Operation.CAPTURE]
        refunds = [objects.refund(each, reference=reference) for each in reversed(self._refunds(reference))]
        release = next((each for each in refunds if not each.key and each.amount_minor == left), None)
        return [each for each in refunds if each is not release]

    def refund(self, request: Request) -> Outcome:
        params: Any = {
            self.parent: request.reference,
            "amount": to_stripe(request.amount_minor, request.currency),
            "metadata": objects.metadata(request),
        }
        with asking("refund"):
            refund = self._stripe.v1.refunds.create(params, {"idempotency_key": request.key})
        with makes_sense():
            return objects.refund(refund.to_dict(), reference=request.reference)

    def _refunds(self, reference: str) -> list[Json]:
        """All that was ever given back of a payment, newest first. A list, not a search: it is never behind."""
        params: Any = {self.parent: reference, "limit": PAGE}
        with asking("look_up"):
            return [refund.to_dict() for refund in self._stripe.v1.refunds.list(params).auto_paging_iter()]

    def _refund_by_key(self, request: Request) -> Outcome | None:
        with makes_sense():
            found = [each for each in self._refunds(request.reference) if objects.key_of(each) == request.key]
            return objects.refund(found[0], reference=request.reference) if found else None

    def list_transactions(self, day: date) -> Sequence[Outcome]:
        """Captures and refunds, gross, as the balance has them, each under the name of its charge or refund."""
        with asking("list_transactions"), makes_sense():
            rows = [row for row in self._balance(day) if row["type"] in _MOVEMENTS]
            return [_listed(row) for row in rows]

    def _balance(self, day: date) -> Iterator[Json]:
        begin = datetime.combine(day, time(), UTC)
        since, until = int(begin.timestamp()), int((begin + timedelta(days=1)).timestamp())
        params: Any = {"limit": PAGE}
        if begin < datetime.now(UTC) - timedelta(days=2):
            # Newest first: of the last days the first pages tell, of earlier ones only a window.
            params["created"] = {"gte": since, "lt": until}
        for transaction in self._stripe.v1.balance_transactions.list(params).auto_paging_iter():
            row = transaction.to_dict()
            if row["created"] < since:
                return
            if row["created"] < until:
                yield row

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
        signatures.verify(headers.get("Stripe-Signature", ""), body, secrets=settings.STRIPE_WEBHOOK_SECRETS, now=now)

    def identify_webhook(self, body: bytes) -> tuple[str, str]:
        event = signatures.parse_event(body)
        return event["id"], event["type"]

    def parse_webhook(self, body: bytes) -> Outcome | DisputeReport | None:
        """None for what is no movement, and for payments that were not made from here."""
        event = signatures.parse_event(body)
        with makes_sense():
            thing = (event.get("data") or {}).get("object") or {}
            if event["type"] in _REFUND_EVENTS and thing.get(self.parent):
                return objects.refund(thing, reference=objects.name_of(thing[self.parent]))
            if event["type"].startswith(_DISPUTE_EVENTS) and thing.get(self.parent):
                return objects.dispute(thing, reference=objects.name_of(thing[self.parent]))
            told = self.events.get(event["type"])
            return told(thing) if told and objects.order_of(thing) else None


def _listed(row: Json) -> Outcome:
    currency = row["currency"].upper()
    return Outcome(
        operation=_MOVEMENTS[row["type"]],
        result=Result.SUCCEEDED,
        transaction_id=objects.name_of(row["source"]),
        reference="",
        amount_minor=abs(from_stripe(row["amount"], currency)),
        currency=currency,
        occurred_at=objects.moment(row["created"]),
    )
