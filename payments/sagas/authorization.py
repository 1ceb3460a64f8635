"""Reserving the order's total on the customer's card: at one gateway, or at the next that a rule names."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import cast

from orders.models import Order
from payments import routing
from payments.errors import AuthenticationRequiredError, CardDeclinedError, PaymentError
from payments.gateways.base import Operation, Outcome, Request, Result, TwoCallGateway
from payments.gateways.declines import decline
from payments.models import ChargeAttempt
from payments.outcomes import note_declined, note_reference, note_unknown, record_outcome
from payments.sagas.definition import Alternative, Park, Refuse, Verdict
from payments.sagas.operations import GatewayOperation, charge_of, reason_to_stop
from payments.sagas.run import Run

CUSTOMER_PATIENCE = timedelta(minutes=30)
"""How long a customer may take to authenticate."""
CUSTOMER_POLL = timedelta(seconds=5)
"""How often the gateway is asked, should its webhook not come."""

Status = ChargeAttempt.Status


class Authorization(GatewayOperation):
    """Reserve the order's total on the customer's card."""

    name = "authorize_payment"
    operation = Operation.AUTHORIZE

    def reason_to_stop(self, run: Run) -> Refuse | None:
        return reason_to_stop(run)

    def prepare(self, run: Run) -> Request | Refuse:
        return reason_to_stop(run) or self._begin(run)

    def _begin(self, run: Run) -> Request:
        context = run.context
        run.charge = ChargeAttempt.objects.create(
            order=run.order,
            saga=run.saga,
            gateway=context["gateway"],
            payment_method=context["payment_method"],
            amount_minor=run.order.amount_minor,
            currency=run.order.currency,
        )
        return replace(
            self.about(run.charge, amount_minor=run.order.amount_minor),
            payment_method=context["payment_method"],
            three_d_secure=context.get("three_d_secure", False),
            return_url=context.get("return_url", ""),
        )

    def opening(self, run: Run, request: Request) -> Callable[[], str] | None:
        peer = self.peer(run)
        if request.reference or not peer.capabilities.two_call_authorize:
            return None
        return partial(cast(TwoCallGateway, peer).open, request)

    def mark_opened(self, run: Run, reference: str) -> None:
        note_reference(charge_of(run), reference)

    def alternative(self, run: Run, error: PaymentError) -> Alternative | None:
        order, charge = run.order, charge_of(run)
        if not run.context.get("is_routed") or reason_to_stop(run):
            return None
        is_decline = isinstance(error, CardDeclinedError)
        if is_decline and not routing.retries_decline(charge.gateway, _code(error), order.total):
            return None
        tried = set(ChargeAttempt.objects.filter(saga=run.saga).values_list("gateway", flat=True))
        other = routing.choose_next(order.total, payment_method=charge.payment_method, tried=tried)
        return Alternative(other, partial(self._begin_with, run, other, error)) if other else None

    def _begin_with(self, run: Run, peer: str, error: PaymentError) -> Request:
        self.mark_refused(run, error)
        run.context["gateway"] = peer
        return self._begin(run)

    def execute(self, run: Run, request: Request) -> Outcome:
        return self.peer(run).authorize(request)

    def record(self, run: Run, outcome: Outcome, source: str) -> Verdict:
        charge = charge_of(run)
        if outcome.result == Result.REQUIRES_ACTION:
            return self._wait_for_customer(run, charge, outcome, source)
        if outcome.result == Result.FAILED and charge.status == Status.REQUIRES_ACTION:
            # Not over yet: some gateways let a customer try again, so undoing makes it impossible there first.
            return Refuse(AuthenticationRequiredError(decline_code=outcome.decline_code))
        if outcome.result in (Result.DECLINED, Result.FAILED):
            record_outcome(charge, outcome, source=source)
            return Refuse(decline(outcome.decline_code))
        return super().record(run, outcome, source)

    def _wait_for_customer(self, run: Run, charge: ChargeAttempt, outcome: Outcome, source: str) -> Verdict:
        record_outcome(charge, outcome, source=source)
        if run.is_overdue:
            return Refuse(AuthenticationRequiredError("The customer did not authenticate in time."))
        return Park("customer_action", CUSTOMER_POLL, CUSTOMER_PATIENCE, Order.Status.REQUIRES_ACTION)

    def mark_refused(self, run: Run, error: PaymentError) -> None:
        is_decline = isinstance(error, CardDeclinedError)
        code = _code(error)
        note_declined(charge_of(run), code, reference=str(error.facts.get("reference", "")), is_failure=not is_decline)

    def mark_unknown(self, run: Run) -> None:
        note_unknown(charge_of(run))


def _code(error: PaymentError) -> str:
    return str(error.facts.get("decline_code") or error.code)
