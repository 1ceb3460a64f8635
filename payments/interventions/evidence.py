"""Whether what people hold in their hands is what they think it is: judged against what the peer says of it."""

from typing import Final

from orders.ids import parse_id
from orders.models import Shipment
from orders.money import in_words
from payments.errors import InterventionNotPossibleError
from payments.gateways.base import Found, Operation, Outcome, Request, Result
from payments.interventions.given import Asked
from payments.interventions.questions import own_name
from payments.interventions.standing import Standing
from payments.models import ChargeAttempt, GatewayOutcome, Refund, SagaExecution, SagaStep
from payments.sagas.exchange import Started

ONCE: Final = frozenset({Operation.CAPTURE, Operation.VOID, Operation.CANCEL_SHIPMENT})
"""What can be done to one charge or parcel a single time: whoever did it, it is what was asked for."""


def confirmed(standing: Standing, call: Started, asked: Asked, name: str) -> Outcome | None:
    """The outcome of the `call` in hand, as the peer tells it by our key or under the `name` that people gave.

    None when it tells nothing. Raise InterventionNotPossibleError when that name is somebody else's, or means
    something else.
    """
    if asked.by_name is not None:
        require_ours(standing, asked.by_name)
    if asked.by_key is not None:
        return asked.by_key
    outcome = _named(asked.by_name, name, call) if asked.by_name else None
    if outcome is not None and outcome.result == Result.SUCCEEDED:
        _require_as_asked(call.request, outcome)
    return outcome


def require_ours(standing: Standing, found: Found) -> None:
    """Raise InterventionNotPossibleError when it is another order's, or another charge's or parcel's, of this order."""
    if found.order not in ("", standing.order.public_id):
        raise InterventionNotPossibleError("This reference belongs to another order.")
    own = own_name(standing)
    if own and found.reference != own:
        raise InterventionNotPossibleError(f"This reference belongs to {found.reference}; this saga is about {own}.")
    if not own and ChargeAttempt.objects.filter(gateway_reference=found.reference).exclude(saga=standing.saga).exists():
        raise InterventionNotPossibleError("This reference belongs to another charge.")


def refund_named(found: Found | None, name: str, *, amount_minor: int, currency: str) -> Outcome | None:
    """The refund of this name that was made on this charge; None when the name is of nothing there.

    Raise InterventionNotPossibleError when it is no refund, or one of another amount.
    """
    outcome = next((each for each in found.outcomes if each.transaction_id == name), None) if found else None
    if found and found.reference == name:
        raise InterventionNotPossibleError("This reference is of the charge. Give that of the refund.")
    if outcome is None:
        return None
    if (outcome.operation, outcome.result) != (Operation.REFUND, Result.SUCCEEDED):
        told = f"a {outcome.operation} ({outcome.result})"
        raise InterventionNotPossibleError(f"This reference is of {told}, not of a refund that was made.")
    _require_amount(outcome, amount_minor, currency)
    return outcome


def require_free(standing: Standing, operation: Operation, name: str) -> None:
    """Raise InterventionNotPossibleError when we know something of somebody else's by this name."""
    others = [
        ChargeAttempt.objects.filter(gateway_reference=name).exclude(order=standing.order),
        GatewayOutcome.objects.filter(operation=operation, transaction_id=name).exclude(charge__order=standing.order),
        Shipment.objects.filter(carrier_reference=name).exclude(order=standing.order),
    ]
    if any(rows.exists() for rows in others):
        raise InterventionNotPossibleError("This reference belongs to another order.")


def require_uncounted(name: str) -> None:
    """Raise InterventionNotPossibleError when a refund of this name is in the books."""
    if Refund.objects.filter(gateway_reference=name, status=Refund.Status.SUCCEEDED).exists():
        raise InterventionNotPossibleError("This refund is counted already.")


def require_not_recorded(standing: Standing, operation: Operation) -> None:
    """Raise InterventionNotPossibleError when we have learned meanwhile, by a webhook, what people are about to say."""
    charge, refund = standing.charge, standing.refund
    is_recorded = {
        Operation.AUTHORIZE: charge is not None and charge.status not in ChargeAttempt.UNSETTLED,
        Operation.CAPTURE: charge is not None and charge.status == ChargeAttempt.Status.CAPTURED,
        Operation.VOID: charge is not None and charge.status == ChargeAttempt.Status.VOIDED,
        Operation.REFUND: refund is not None and refund.status == Refund.Status.SUCCEEDED,
    }
    if is_recorded.get(operation):
        raise InterventionNotPossibleError("The gateway has told it meanwhile: have it tried again, and it is found.")


def is_by_hand(outcome: Outcome) -> bool:
    """Whether it was asked for by nobody here: under a key that no saga of ours makes."""
    return outcome.key != "" and parse_id(SagaExecution.PREFIX, outcome.key.partition(":")[0]) is None


def succeeded(found: Found | None, operation: Operation) -> list[Outcome]:
    """What the peer says was done to a charge or a parcel."""
    outcomes = found.outcomes if found else ()
    return [each for each in outcomes if (each.operation, each.result) == (operation, Result.SUCCEEDED)]


def _named(found: Found, name: str, call: Started) -> Outcome | None:
    """The operation of this name; the last one that this step can have made, where the name is the charge's own."""
    operation, step = call.operation.operation, call.step
    if name == found.reference:
        alike = [each for each in found.outcomes if each.operation == operation and _may_be_of(step, each)]
        return alike[-1] if alike else None
    outcome = next((each for each in found.outcomes if each.transaction_id == name), None)
    if outcome is None:  # a dispute, say: something about the charge that nobody asks for
        return None
    if outcome.operation != operation:
        raise InterventionNotPossibleError(f"This reference is of a {outcome.operation}, not of a {operation}.")
    if not _may_be_of(step, outcome):
        raise InterventionNotPossibleError("This was not done by the call in hand: it has another key.")
    return outcome


def _may_be_of(step: SagaStep, outcome: Outcome) -> bool:
    """By its key, where the peer tells it: all of a step's keys differ in their last number alone."""
    is_ours = outcome.key.rpartition(":")[0] == step.key.rpartition(":")[0]
    return outcome.operation in ONCE or outcome.key == "" or is_ours


def _require_as_asked(request: Request, outcome: Outcome) -> None:
    if outcome.operation in (Operation.AUTHORIZE, Operation.CAPTURE, Operation.REFUND):
        _require_amount(outcome, request.amount_minor, request.currency)


def _require_amount(outcome: Outcome, amount_minor: int, currency: str) -> None:
    if (outcome.amount_minor, outcome.currency) != (amount_minor, currency):
        raise InterventionNotPossibleError(
            f"This reference is of {in_words(outcome.amount_minor, outcome.currency)}, "
            f"asked for were {in_words(amount_minor, currency)}."
        )
