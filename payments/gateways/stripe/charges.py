"""The gateway `stripe_charges`: the Charges API, in which one call authorizes. No 3DS.

A lost authorization has no name to be asked for by: it is found by our key in the list of charges.
"""

from typing import Any

from payments.errors import InvalidRequestError, OperationRefusedError
from payments.gateways.base import Operation, Outcome, Request
from payments.gateways.http import makes_sense
from payments.gateways.stripe import objects
from payments.gateways.stripe.amounts import to_stripe
from payments.gateways.stripe.client import asking, unless_missing
from payments.gateways.stripe.objects import Json
from payments.gateways.stripe.peer import PAGE, StripePeer

EXPANDED = ["balance_transaction"]


class StripeChargesGateway(StripePeer):
    name = "stripe_charges"
    two_call_authorize = False
    tokens = ("tok_", "src_")
    parent = "charge"
    outcomes = {  # noqa: RUF012  # the base class declares it
        Operation.AUTHORIZE: objects.charge_authorization,
        Operation.CAPTURE: objects.charge_capture,
        Operation.VOID: objects.charge_void,
    }
    events = {  # noqa: RUF012  # the base class declares it
        "charge.succeeded": objects.charge_authorization,
        "charge.failed": objects.charge_authorization,
        "charge.captured": objects.charge_capture,
        "charge.expired": objects.charge_void,
    }

    def authorize(self, request: Request) -> Outcome:
        if request.three_d_secure:
            raise InvalidRequestError("The Charges API knows no 3DS.")
        params: Any = {
            "amount": to_stripe(request.amount_minor, request.currency),
            "currency": request.currency.lower(),
            "source": request.payment_method,
            "capture": False,
            "metadata": objects.metadata(request),
        }
        with asking("authorize"):
            charge = self._stripe.v1.charges.create(params, {"idempotency_key": request.key})
        with makes_sense():
            return objects.charge_authorization(charge.to_dict())

    def capture(self, request: Request) -> Outcome:
        params: Any = {"amount": to_stripe(request.amount_minor, request.currency), "expand": EXPANDED}
        with asking("capture"):
            charge = self._stripe.v1.charges.capture(request.reference, params, {"idempotency_key": request.key})
        with makes_sense():
            return self._told(Operation.CAPTURE, charge.to_dict())

    def void(self, request: Request) -> Outcome:
        """Giving back what is not captured releases it; of what is captured it would give back money."""
        if self._known(request.reference)["captured"]:
            raise OperationRefusedError("The charge is captured.", gateway_code="charge_already_captured")
        params: Any = {"charge": request.reference, "metadata": objects.metadata(request)}
        with asking("void"):
            self._stripe.v1.refunds.create(params, {"idempotency_key": request.key})
        with makes_sense():
            return self._told(Operation.VOID, self._known(request.reference))

    def look_up(self, operation: Operation, request: Request) -> Outcome | None:
        if operation == Operation.REFUND:
            return self._refund_by_key(request)
        with makes_sense():
            charge = self._retrieve(request.reference) if request.reference else self._charge_by_key(request)
            return self.outcomes[operation](charge) if charge else None

    def _charge_by_key(self, request: Request) -> Json | None:
        with asking("look_up"):
            for charge in self._stripe.v1.charges.list({"limit": PAGE}).auto_paging_iter():
                row = charge.to_dict()
                if objects.key_of(row) == request.key:
                    return row
        return None

    def is_dead(self, reference: str) -> bool:
        charge = self._retrieve(reference)
        with makes_sense():
            return charge is not None and charge["refunded"] and not charge["captured"]

    def _behind(self, name: str) -> str:
        """People may have the name of a refund in hand."""
        if not name.startswith("re_"):
            return name
        found = unless_missing(lambda: self._stripe.v1.refunds.retrieve(name))
        return objects.name_of((found or {}).get("charge"))

    def _known(self, reference: str) -> Json:
        charge = self._retrieve(reference)
        if charge is None:
            raise InvalidRequestError("The gateway knows no such charge.")
        return charge

    def _retrieve(self, name: str) -> Json | None:
        if not name.startswith(("ch_", "py_")):
            return None
        return unless_missing(lambda: self._stripe.v1.charges.retrieve(name, {"expand": EXPANDED}))
