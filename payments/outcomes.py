"""The one way a gateway's word becomes a fact, whether an answer, a look-up or a webhook brings it.

Being recorded already is success. What contradicts a charge that is settled is never argued with: the fact is kept,
and a remedy saga gives the money back.
"""

import structlog
from django.db.models import F
from django.db.models.functions import Now

from orders.errors import InvalidTransition
from orders.models import Order
from orders.money import in_words
from payments import ledger
from payments.errors import UnexpectedOutcomeError
from payments.gateways.base import Operation, Outcome, Result
from payments.models import ChargeAttempt, GatewayOutcome, LedgerPosting, Refund, SagaExecution
from payments.nudges import nudge

log = structlog.get_logger(__name__)

Status = ChargeAttempt.Status


def record_outcome(charge: ChargeAttempt, outcome: Outcome, *, source: str, refund: Refund | None = None) -> None:
    """Apply `outcome` to `charge`, the order and the ledger.

    The caller brings the transaction and holds the order's row: whoever locks more locks the order first.
    Raise UnexpectedOutcomeError, having written nothing, when the gateway moved another amount or currency than asked.
    """
    if outcome.result == Result.REQUIRES_ACTION:
        _note_required_action(charge, outcome)
    elif outcome.result in (Result.DECLINED, Result.FAILED):
        note_declined(charge, outcome.decline_code, reference=outcome.reference)
    elif outcome.result == Result.SUCCEEDED:
        _require_as_asked(charge, outcome, refund)
        _record_movement(charge, outcome, source, refund)


def record_unexpected(charge: ChargeAttempt, outcome: Outcome, *, source: str) -> None:
    """Keep what the gateway did although nobody asked for it: as reported, with its money in suspense.

    A person decides what becomes of it. The caller brings the transaction and holds the order's row.
    """
    if is_recorded(outcome, gateway=charge.gateway):
        return
    _keep(charge, outcome, source)
    if not charge.gateway_reference:
        note_reference(charge, outcome.reference)
    _post_to_suspense(charge, outcome)


def record_refund_elsewhere(charge: ChargeAttempt, refund: Refund, *, name: str, reference: str = "") -> None:
    """Book money that people have given back past the gateway; `name` is what the ledger calls it.

    The gateway has not paid it, so the money came out of something that is not booked yet: suspense. There it is the
    other half of a refund that the gateway made unasked, where people mean that one: its `reference`.
    """
    if _succeed(refund, charge, reference=reference):
        _take_off(charge, refund.amount_minor)
        ledger.post_refund_elsewhere(charge, name=name, amount_minor=refund.amount_minor)


def is_recorded(outcome: Outcome, *, gateway: str) -> bool:
    """Whether this movement at `gateway` is a fact already."""
    return GatewayOutcome.objects.filter(
        gateway=gateway, operation=outcome.operation, transaction_id=outcome.transaction_id
    ).exists()


def note_declined(charge: ChargeAttempt, decline_code: str, *, reference: str = "", is_failure: bool = False) -> None:
    """Nothing was authorized: the attempt is over. Only an attempt that is still open can be declined."""
    charge.advance(
        Status.FAILED if is_failure else Status.DECLINED,
        decline_code=decline_code,
        gateway_reference=reference or charge.gateway_reference,
        next_action_url="",
    )


def note_reference(charge: ChargeAttempt, reference: str) -> None:
    """How the gateway calls the charge."""
    ChargeAttempt.objects.filter(pk=charge.pk).update(gateway_reference=reference, updated_at=Now())
    charge.gateway_reference = reference


def note_unknown(charge: ChargeAttempt) -> None:
    """Nobody knows what became of the authorization."""
    if charge.status == Status.PENDING:
        charge.advance(Status.UNKNOWN)


def _note_required_action(charge: ChargeAttempt, outcome: Outcome) -> None:
    charge.advance(
        Status.REQUIRES_ACTION,
        gateway_reference=outcome.reference,
        next_action_url=outcome.next_action_url,
    )


def _require_as_asked(charge: ChargeAttempt, outcome: Outcome, refund: Refund | None) -> None:
    if outcome.operation == Operation.VOID:
        return
    if outcome.operation == Operation.REFUND and refund is None:
        raise UnexpectedOutcomeError("The gateway reports a refund that nobody here asked for.")
    asked = refund.amount_minor if refund else charge.amount_minor
    if (outcome.amount_minor, outcome.currency) != (asked, charge.currency):
        raise UnexpectedOutcomeError(
            f"Asked to {outcome.operation} {in_words(asked, charge.currency)}, "
            f"the gateway reports {in_words(outcome.amount_minor, outcome.currency)}.",
            charge=charge.public_id,
        )


def _record_movement(charge: ChargeAttempt, outcome: Outcome, source: str, refund: Refund | None) -> None:
    has_moved = _MOVES[outcome.operation](charge, outcome, refund)
    if not has_moved and is_recorded(outcome, gateway=charge.gateway):
        charge.refresh_from_db()
        return
    if not has_moved and charge.status_now() in ChargeAttempt.UNSETTLED:
        raise InvalidTransition(f"The charge is not yet there for a {outcome.operation}.", charge=charge.public_id)
    is_stated = not has_moved and _is_stated(charge, outcome)
    _keep(charge, outcome, source)
    if not has_moved and not is_stated:
        _contradict(charge, outcome)


def _keep(charge: ChargeAttempt, outcome: Outcome, source: str) -> None:
    GatewayOutcome.objects.create(
        gateway=charge.gateway,
        operation=outcome.operation,
        transaction_id=outcome.transaction_id,
        charge=charge,
        amount_minor=outcome.amount_minor,
        currency=outcome.currency,
        source=source,
        occurred_at=outcome.occurred_at,
    )


def _post_to_suspense(charge: ChargeAttempt, outcome: Outcome) -> None:
    if outcome.amount_minor <= 0:
        return
    if outcome.operation == Operation.CAPTURE:
        ledger.post_capture(charge, outcome, credit=LedgerPosting.Account.SUSPENSE)
    elif outcome.operation == Operation.REFUND:
        ledger.post_refund(charge, outcome, debit=LedgerPosting.Account.SUSPENSE)


def _is_stated(charge: ChargeAttempt, outcome: Outcome) -> bool:
    """People stated this when the gateway could not, and nothing has confirmed it yet: it is no second movement."""
    facts = {"operation": outcome.operation, "amount_minor": outcome.amount_minor, "currency": outcome.currency}
    sources = list(charge.outcomes.filter(**facts).order_by("pk").values_list("source", flat=True))
    if GatewayOutcome.Source.PERSON not in sources or outcome.reference != charge.gateway_reference:
        return False
    since = sources[sources.index(GatewayOutcome.Source.PERSON) :]
    stated = since.count(GatewayOutcome.Source.PERSON)
    return stated > len(since) - stated


def _authorize(charge: ChargeAttempt, outcome: Outcome, _refund: Refund | None) -> bool:
    return charge.advance(
        Status.AUTHORIZED,
        gateway_reference=outcome.reference,
        authorized_minor=outcome.amount_minor,
        card_brand=outcome.card.brand,
        card_last4=outcome.card.last4,
        card_country=outcome.card.country,
        card_fingerprint=outcome.card.fingerprint,
        avs_result=outcome.avs_result,
        cvv_result=outcome.cvv_result,
        next_action_url="",
        authorization_expires_at=outcome.authorization_expires_at,
    )


def _capture(charge: ChargeAttempt, outcome: Outcome, _refund: Refund | None) -> bool:
    if not charge.advance(Status.CAPTURED, captured_minor=outcome.amount_minor):
        return False
    _add_paid(charge.order, outcome.amount_minor)
    ledger.post_capture(charge, outcome)
    return True


def _void(charge: ChargeAttempt, _outcome: Outcome, _refund: Refund | None) -> bool:
    return charge.advance(Status.VOIDED, next_action_url="")


def _give_back(charge: ChargeAttempt, outcome: Outcome, refund: Refund | None) -> bool:
    if refund is None or not _succeed(refund, charge, reference=outcome.transaction_id):
        return False
    _take_off(charge, outcome.amount_minor)
    ledger.post_refund(charge, outcome)
    return True


def _take_off(charge: ChargeAttempt, amount: int) -> None:
    """What was set aside to be given back has gone."""
    ChargeAttempt.objects.filter(pk=charge.pk).update(
        refunded_minor=F("refunded_minor") + amount,
        refund_pending_minor=F("refund_pending_minor") - amount,
        updated_at=Now(),
    )
    charge.refunded_minor += amount
    charge.refund_pending_minor -= amount
    _take_from_paid(charge, amount)


def _add_paid(order: Order, amount_minor: int) -> None:
    """In the row, whatever others did to it; and in the caller's copy."""
    Order.objects.filter(pk=order.pk).update(paid_minor=F("paid_minor") + amount_minor, updated_at=Now())
    order.paid_minor += amount_minor


def _take_from_paid(charge: ChargeAttempt, amount_minor: int) -> None:
    """Unless the charge is surplus: then it was not what the order is paid with."""
    paid = Order.objects.filter(pk=charge.order_id, charges__pk=charge.pk, charges__is_surplus=False)
    if paid.update(paid_minor=F("paid_minor") - amount_minor, updated_at=Now()):
        charge.order.paid_minor -= amount_minor


def _succeed(refund: Refund, charge: ChargeAttempt, *, reference: str) -> bool:
    """Of an answer, a look-up and a webhook about one refund, one does the booking."""
    refund.charge = charge
    return refund.decide(Refund.Status.SUCCEEDED, gateway_reference=reference)


_MOVES = {
    Operation.AUTHORIZE: _authorize,
    Operation.CAPTURE: _capture,
    Operation.VOID: _void,
    Operation.REFUND: _give_back,
}


def _contradict(charge: ChargeAttempt, outcome: Outcome) -> None:
    """Undo at the gateway what our books have already closed.

    A refund that nobody expects any more cannot be undone. Its money stays in suspense until a person sees to it.
    """
    if outcome.operation == Operation.VOID:
        return
    log.error("outcome_contradicts_charge", charge=charge.public_id, operation=outcome.operation)
    _post_to_suspense(charge, outcome)
    if outcome.operation != Operation.REFUND:
        open_remedy(charge, outcome, peer=charge.gateway)


def open_remedy(charge: ChargeAttempt, outcome: Outcome, *, peer: str) -> None:
    """Begin to undo what `peer` (a gateway or carrier) did too late: one saga for each thing it did."""
    remedy = SagaExecution(
        definition="remedy",
        version=1,
        business_key=f"{peer}:{outcome.operation}:{outcome.transaction_id}",
        order_id=charge.order_id,
        context={
            "charge": str(charge.pk),
            "gateway": charge.gateway,
            "operation": outcome.operation,
            "reference": outcome.reference,
            "amount": outcome.amount_minor,
            "currency": outcome.currency,
        },
    )
    SagaExecution.objects.bulk_create([remedy], ignore_conflicts=True)
    nudge(remedy.pk)
