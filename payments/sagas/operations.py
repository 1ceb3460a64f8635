"""The calls a checkout makes to its gateway, and how each is undone.

Undoing follows the charge's present state, never the saga's memory: refund what is captured, void what could still be
captured, nothing else.
"""

from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now

from payments.errors import (
    AuthorizationExpiredError,
    CardDeclinedError,
    CheckoutCancelledError,
    OperationRefusedError,
    PaymentError,
    RefundExceedsCapturedError,
    RefundRefusedError,
    UnexpectedOutcomeError,
)
from payments.gateways import registry as gateways
from payments.gateways.base import Operation, Outcome, PaymentGateway, Request, Result
from payments.models import ChargeAttempt, Refund
from payments.outcomes import record_outcome, record_unexpected
from payments.sagas import expiry, stops
from payments.sagas.definition import ForeignOperation, Park, Refuse, Verdict
from payments.sagas.retries import UNKNOWN_PATIENCE
from payments.sagas.run import GATEWAY, Run
from payments.sagas.verdicts import review_refused

PENDING_POLL = timedelta(seconds=5)

Status = ChargeAttempt.Status


class GatewayOperation(ForeignOperation):
    operation: Operation

    def peer(self, run: Run) -> PaymentGateway:
        return gateways.gateway(run.context["gateway"])

    def look_up(self, run: Run, request: Request) -> Outcome | None:
        return self.peer(run).look_up(self.operation, request)

    def record(self, run: Run, outcome: Outcome, source: str) -> Verdict:
        if outcome.result == Result.PENDING:
            return wait(run, GATEWAY)
        if outcome.result != Result.SUCCEEDED:
            error = self.refusal()
            self.mark_refused(run, error)
            return Refuse(error)
        return _recorded(charge_of(run), outcome, source)

    def refusal(self) -> PaymentError:
        """What a definite no means to the client."""
        return OperationRefusedError(f"The gateway refused to {self.operation}.")

    def about(self, charge: ChargeAttempt, *, amount_minor: int) -> Request:
        return Request(
            key="",
            order=charge.order.public_id,
            amount_minor=amount_minor,
            currency=charge.currency,
            reference=charge.gateway_reference,
        )


def _recorded(charge: ChargeAttempt, outcome: Outcome, source: str, refund: Refund | None = None) -> Verdict:
    try:
        record_outcome(charge, outcome, source=source, refund=refund)
    except UnexpectedOutcomeError as error:
        record_unexpected(charge, outcome, source=source)
        return Refuse(error)
    return None


def wait(run: Run, who: str) -> Verdict:
    """For a peer that says it is still at it; not for ever."""
    if run.is_overdue:
        return Refuse(UnexpectedOutcomeError(f"The {who} has not come to an end."))
    return Park(who, PENDING_POLL, UNKNOWN_PATIENCE)


def reason_to_stop(run: Run) -> Refuse | None:
    """What makes going on with a checkout wrong: its client has cancelled it, or a reviewer has said no."""
    if run.order.cancel_requested_at is not None:
        return Refuse(CheckoutCancelledError())
    return review_refused(run)


def charge_of(run: Run) -> ChargeAttempt:
    if run.charge is None:
        raise UnexpectedOutcomeError("This saga has no charge attempt.")
    return run.charge


class Void(GatewayOperation):
    """Let the authorization go, or make a payment that waits for its customer impossible."""

    name = "void_payment"
    operation = Operation.VOID

    def prepare(self, run: Run) -> Request | None:
        charge = run.charge
        is_needed = charge is not None and (_is_voidable(charge) or self._is_still_open(run, charge))
        return self.about(charge, amount_minor=charge.amount_minor) if charge and is_needed else None

    def _is_still_open(self, run: Run, charge: ChargeAttempt) -> bool:
        """What was opened could be confirmed once more, also after a decline: make that impossible there."""
        is_refused = charge.status in (Status.DECLINED, Status.FAILED)
        return is_refused and charge.gateway_reference != "" and self.peer(run).capabilities.two_call_authorize

    def execute(self, run: Run, request: Request) -> Outcome:
        peer = self.peer(run)
        try:
            return peer.void(request)
        except OperationRefusedError:
            if not peer.capabilities.can_be_asked or not peer.is_dead(request.reference):
                raise
        # Refused because there is nothing left to void: that is what was wanted.
        return Outcome(Operation.VOID, Result.SUCCEEDED, f"dead:{request.reference}", request.reference)


def _is_voidable(charge: ChargeAttempt) -> bool:
    """An authorization other than asked is none in our books, and stands at the gateway all the same."""
    is_other = charge.status in (Status.PENDING, Status.UNKNOWN) and charge.gateway_reference != ""
    return is_other or charge.status in (Status.REQUIRES_ACTION, Status.AUTHORIZED)


class Capture(GatewayOperation):
    """Take the authorized amount."""

    name = "capture_payment"
    operation = Operation.CAPTURE

    def reason_to_stop(self, run: Run) -> Park | Refuse | None:
        charge = charge_of(run)
        return reason_to_stop(run) or stops.reason_to_wait(run, charge) or expiry.reason_to_give_up(run, charge)

    def prepare(self, run: Run) -> Request | Park | Refuse:
        """Whatever is left of the authorization's time, the first try is made: there is no better moment."""
        charge = charge_of(run)
        if stop := reason_to_stop(run) or stops.reason_to_wait(run, charge):
            return stop
        return self.about(charge, amount_minor=charge.amount_minor)

    def execute(self, run: Run, request: Request) -> Outcome:
        try:
            return self.peer(run).capture(request)
        except AuthorizationExpiredError:
            raise
        except OperationRefusedError as error:
            raise self.refusal() from error

    def refusal(self) -> PaymentError:
        return CardDeclinedError("The gateway refused to capture the authorized amount.")


class RefundCharge(GatewayOperation):
    """Give back whatever is still captured."""

    name = "refund_payment"
    operation = Operation.REFUND

    def prepare(self, run: Run) -> Request | None:
        """What was asked for, where somebody asked; whatever is left, where a checkout is undone."""
        charge = run.charge
        if charge is None:
            return None
        refund = Refund.objects.filter(saga=run.saga).first() or _refund_of_the_rest(run, charge)
        if refund is None or refund.status == Refund.Status.SUCCEEDED:
            return None
        return self.about(charge, amount_minor=refund.amount_minor)

    def execute(self, run: Run, request: Request) -> Outcome:
        try:
            return self.peer(run).refund(request)
        except OperationRefusedError as error:
            raise RefundRefusedError(error.detail) from error

    def record(self, run: Run, outcome: Outcome, source: str) -> Verdict:
        if outcome.result != Result.SUCCEEDED:
            # By this name an older event, which says that it had succeeded, is known for what it is.
            Refund.objects.filter(pk=refund_of(run).pk).update(gateway_reference=outcome.transaction_id)
            return super().record(run, outcome, source)
        return _recorded(charge_of(run), outcome, source, refund=refund_of(run))

    def refusal(self) -> PaymentError:
        return RefundRefusedError()

    def mark_refused(self, run: Run, error: PaymentError) -> None:
        refund, charge = refund_of(run), charge_of(run)
        refund.charge = charge
        if refund.decide(Refund.Status.FAILED):
            ChargeAttempt.objects.filter(pk=charge.pk).update(
                refund_pending_minor=F("refund_pending_minor") - refund.amount_minor
            )

    def mark_asked_again(self, run: Run) -> None:
        """Set the amount aside anew. Raise RefundExceedsCapturedError when there is not that much left."""
        refund, charge = refund_of(run), charge_of(run)
        failed = Refund.objects.filter(pk=refund.pk, status=Refund.Status.FAILED)
        if failed.update(status=Refund.Status.PENDING, updated_at=Now()) and not charge.reserve_refund(
            refund.amount_minor
        ):
            raise RefundExceedsCapturedError(charge=charge.public_id)

    def mark_unknown(self, run: Run) -> None:
        Refund.objects.filter(pk=refund_of(run).pk, status=Refund.Status.PENDING).update(
            status=Refund.Status.UNKNOWN, updated_at=Now()
        )


def _refund_of_the_rest(run: Run, charge: ChargeAttempt) -> Refund | None:
    amount = charge.refundable_minor
    if amount <= 0 or not charge.reserve_refund(amount):
        return None
    reason = str(run.context.get("reason") or run.saga.failure.get("code", ""))
    return Refund.objects.create(
        charge=charge, saga=run.saga, amount_minor=amount, currency=charge.currency, reason=reason
    )


def refund_of(run: Run) -> Refund:
    return Refund.objects.get(saga=run.saga)
