"""The gateway `stripe`: PaymentIntents, captured by hand, and authorized in two calls.

The first makes an intent, by which no money can move; once its name is committed the second confirms it. Whatever
becomes of the second can be asked for by that name, and an intent that is confirmed already cannot be confirmed again:
so one order is authorized once even where idempotency keys are ignored.
"""

from collections.abc import Callable
from typing import Any

import stripe

from payments.errors import GatewayTimeoutError, InvalidRequestError
from payments.gateways.base import Operation, Outcome, Request
from payments.gateways.http import makes_sense
from payments.gateways.stripe import objects
from payments.gateways.stripe.amounts import to_stripe
from payments.gateways.stripe.client import asking, unless_missing
from payments.gateways.stripe.objects import Json
from payments.gateways.stripe.peer import StripePeer

EXPANDED = ["latest_charge.balance_transaction"]


class StripeGateway(StripePeer):
    name = "stripe"
    two_call_authorize = True
    tokens = ("pm_", "card_", "src_")
    parent = "payment_intent"
    outcomes = {  # noqa: RUF012  # the base class declares it
        Operation.AUTHORIZE: objects.authorization,
        Operation.CAPTURE: objects.capture,
        Operation.VOID: objects.void,
    }
    events = {  # noqa: RUF012  # the base class declares it
        "payment_intent.amount_capturable_updated": objects.authorization,
        "payment_intent.requires_action": objects.authorization,
        "payment_intent.payment_failed": objects.authorization,
        "payment_intent.succeeded": objects.capture,
        "payment_intent.canceled": objects.void,
    }

    def open(self, request: Request) -> str:
        params: Any = {
            "amount": to_stripe(request.amount_minor, request.currency),
            "currency": request.currency.lower(),
            "payment_method": request.payment_method,
            "payment_method_types": ["card"],
            "capture_method": "manual",
            "metadata": objects.metadata(request),
        }
        if request.three_d_secure:
            params["payment_method_options"] = {"card": {"request_three_d_secure": "any"}}
        with asking("open"):
            intent = self._stripe.v1.payment_intents.create(params, {"idempotency_key": f"{request.key}:open"})
        with makes_sense():
            return objects.name_of(intent.to_dict())

    def authorize(self, request: Request) -> Outcome:
        params = {"return_url": request.return_url} if request.return_url else {}
        return self._change(Operation.AUTHORIZE, self._stripe.v1.payment_intents.confirm, request, params)

    def capture(self, request: Request) -> Outcome:
        params = {"amount_to_capture": to_stripe(request.amount_minor, request.currency)}
        return self._change(Operation.CAPTURE, self._stripe.v1.payment_intents.capture, request, params)

    def void(self, request: Request) -> Outcome:
        return self._change(Operation.VOID, self._stripe.v1.payment_intents.cancel, request, {})

    def _change(
        self,
        operation: Operation,
        call: Callable[..., stripe.PaymentIntent],
        request: Request,
        params: dict[str, Any],
    ) -> Outcome:
        try:
            with asking(operation, reference=request.reference):
                intent = call(request.reference, {**params, "expand": EXPANDED}, {"idempotency_key": request.key})
        except InvalidRequestError as error:
            if error.facts.get("gateway_code") != "invalid_request_error":
                raise
            # A no without a reason may be said to an intent that is there already: what it is says more.
            raise GatewayTimeoutError("The gateway gave no reason.", is_answered=True) from error
        with makes_sense():
            return self._told(operation, intent.to_dict())

    def look_up(self, operation: Operation, request: Request) -> Outcome | None:
        if not request.reference:
            return None
        if operation == Operation.REFUND:
            return self._refund_by_key(request)
        intent = self._retrieve(request.reference)
        with makes_sense():
            return self.outcomes[operation](intent) if intent else None

    def is_dead(self, reference: str) -> bool:
        intent = self._retrieve(reference)
        return intent is not None and intent.get("status") == "canceled"

    def _behind(self, name: str) -> str:
        """People may have the name of a charge or a refund in hand."""
        kinds: dict[str, Callable[[str], Any]] = {
            "ch": self._stripe.v1.charges.retrieve,
            "py": self._stripe.v1.charges.retrieve,
            "re": self._stripe.v1.refunds.retrieve,
        }
        retrieve = kinds.get(name.partition("_")[0])
        if retrieve is None:
            return name
        found = unless_missing(lambda: retrieve(name))
        return objects.name_of((found or {}).get("payment_intent"))

    def _retrieve(self, name: str) -> Json | None:
        """None when there is no such intent."""
        if not name.startswith("pi_"):
            return None
        return unless_missing(lambda: self._stripe.v1.payment_intents.retrieve(name, {"expand": EXPANDED}))
