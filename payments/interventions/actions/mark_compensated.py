"""What the saga could not undo was undone elsewhere: count it as undone, book the money, carry on with the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from orders import services as orders
from orders.errors import InvalidTransition
from payments.errors import InterventionNotPossibleError, UnexpectedOutcomeError
from payments.gateways.base import Operation, Outcome, Result
from payments.interventions import evidence, questions
from payments.interventions.actions.base import IN_DOUBT, Act, Action, Ending, set_going, stated_step
from payments.interventions.given import Asked, Given
from payments.interventions.standing import Standing
from payments.models import ChargeAttempt, GatewayOutcome, Refund, SagaIntervention, SagaStep
from payments.outcomes import record_outcome, record_refund_elsewhere, record_unexpected
from payments.sagas import steps
from payments.sagas.operations import RefundCharge, Void, charge_of
from payments.sagas.remedy import CallBackStray, RefundStray, VoidStray
from payments.sagas.shipping import ShipmentCancelling

LOOK_UP = GatewayOutcome.Source.LOOK_UP
Status = ChargeAttempt.Status


class MarkCompensated(Action):
    name = SagaIntervention.Action.MARK_COMPENSATED
    permission = "payments.mark_compensated"
    event = "marked_compensated"
    is_forced = True
    needs = ("evidence",)

    def why_not(self, standing: Standing) -> str:
        if not standing.is_stopped:
            return "It has not stopped."
        if standing.step_name not in _MARKS:
            return "The step in hand undoes nothing."
        return IN_DOUBT if standing.is_in_doubt else ""

    def told(self, standing: Standing) -> str:
        return _MARKS[standing.step_name].told

    def ask(self, standing: Standing, given: Given) -> Asked:
        about = {**questions.about_own(standing), **questions.about_name(standing, given.evidence)}
        if standing.step_name in (Void.name, VoidStray.name):
            about |= questions.about_death(standing)
        return questions.ask(standing, **about)

    def rests_on_word(self, standing: Standing, given: Given, asked: Asked) -> bool:
        if asked.by_name is not None:
            evidence.require_ours(standing, asked.by_name)
        evidence.require_free(standing, Operation.REFUND, given.evidence)
        evidence.require_uncounted(given.evidence)
        _MARKS[standing.step_name].check(standing, given, asked)
        return True

    def apply(self, act: Act) -> Ending:
        act.after["calls"] = act.asked.calls_as_json()
        set_going(act.run)
        _MARKS[act.standing.step_name].book(act)
        steps.complete(act.run, stated_step(act), SagaStep.Outcome.OK)
        return act.run.write_released


@dataclass(frozen=True, slots=True)
class _Mark:
    """How one undoing step is counted as done: `check` raises for what is not as people say, `book` writes it down."""

    told: str
    check: Callable[[Standing, Given, Asked], None]
    book: Callable[[Act], None]


def _check_refund(standing: Standing, given: Given, asked: Asked) -> None:
    refund, charge = standing.refund, charge_of(standing.run)
    amount = refund.amount_minor if refund else charge.refundable_minor
    evidence.refund_named(asked.about_ours, given.evidence, amount_minor=amount, currency=charge.currency)
    if refund is not None and refund.status == Refund.Status.FAILED and charge.refundable_minor < amount:
        raise InterventionNotPossibleError("There is not that much left on the charge: it has gone back otherwise.")


def _book_refund(act: Act) -> None:
    """The gateway's refund where it is one that it confirms and that is not booked; else money from elsewhere."""
    run, charge, operation = act.run, charge_of(act.run), RefundCharge()
    if operation.prepare(run) is None:
        return
    operation.mark_asked_again(run)
    refund = Refund.objects.get(saga=run.saga)
    outcome = evidence.refund_named(
        act.asked.about_ours, act.given.evidence, amount_minor=refund.amount_minor, currency=charge.currency
    )
    _learn_of_refunds_by_hand(charge, act.asked, but=outcome)
    if outcome is not None and not _is_kept(charge, outcome):
        record_outcome(charge, outcome, source=LOOK_UP, refund=refund)
    else:
        reference = outcome.transaction_id if outcome else ""
        record_refund_elsewhere(charge, refund, name=act.row.public_id, reference=reference)


def _check_void(standing: Standing, given: Given, asked: Asked) -> None:
    captures = evidence.succeeded(asked.about_ours, Operation.CAPTURE)
    if asked.is_dead is False and not captures:
        raise InterventionNotPossibleError("The authorization still stands at the gateway: it can be voided there.")
    if captures:
        amount, currency = captures[-1].amount_minor, captures[-1].currency
        evidence.refund_named(asked.about_ours, given.evidence, amount_minor=amount, currency=currency)


def _book_void(act: Act) -> None:
    """What was authorized is gone; or it was taken, which is a fact first, and has gone back since."""
    charge, own = charge_of(act.run), act.asked.about_ours
    _learn_of_captures(charge, evidence.succeeded(own, Operation.CAPTURE))
    if charge.status == Status.CAPTURED:
        _book_refund(act)
        return
    _learn_of_refunds_by_hand(charge, act.asked)
    gone = Outcome(Operation.VOID, Result.SUCCEEDED, act.row.public_id, charge.gateway_reference)
    source = LOOK_UP if act.asked.is_dead else GatewayOutcome.Source.PERSON
    record_outcome(charge, gone, source=source)


def _learn_of_captures(charge: ChargeAttempt, captures: list[Outcome]) -> None:
    for outcome in captures:
        try:
            record_outcome(charge, outcome, source=LOOK_UP)
        except (InvalidTransition, UnexpectedOutcomeError):
            record_unexpected(charge, outcome, source=LOOK_UP)


def _learn_of_refunds_by_hand(charge: ChargeAttempt, asked: Asked, *, but: Outcome | None = None) -> None:
    """Keep what the gateway shows and nobody here asked for, in suspense. What a saga of ours made is that saga's."""
    for outcome in evidence.succeeded(asked.about_ours, Operation.REFUND):
        if outcome != but and evidence.is_by_hand(outcome):
            record_unexpected(charge, outcome, source=LOOK_UP)


def _is_kept(charge: ChargeAttempt, outcome: Outcome) -> bool:
    """The refund is in the ledger already, as one that nobody expected: against suspense."""
    kept = {"operation": outcome.operation, "transaction_id": outcome.transaction_id}
    return GatewayOutcome.objects.filter(gateway=charge.gateway, **kept).exists()


def _check_nothing(_standing: Standing, _given: Given, _asked: Asked) -> None:
    """No peer could say otherwise."""


def _book_parcel(act: Act) -> None:
    for parcel in act.standing.order.shipments.filter(status="shipped"):
        orders.record_shipment_cancelled(
            act.standing.order, carrier=parcel.carrier, carrier_reference=parcel.carrier_reference
        )


def _check_stray_refund(standing: Standing, given: Given, asked: Asked) -> None:
    context = standing.run.context
    amount, currency = context["amount"], context["currency"]
    evidence.refund_named(asked.about_ours, given.evidence, amount_minor=amount, currency=currency)


def _book_stray_refund(act: Act) -> None:
    """Its money is in suspense. It leaves it by the gateway's refund alone; what went back otherwise finance clears."""
    context = act.run.context
    outcome = evidence.refund_named(
        act.asked.about_ours, act.given.evidence, amount_minor=context["amount"], currency=context["currency"]
    )
    _learn_of_refunds_by_hand(charge_of(act.run), act.asked, but=outcome)
    if outcome is not None and act.standing.operation is not None:
        act.standing.operation.record(act.run, outcome, LOOK_UP)


def _book_nothing(_act: Act) -> None:
    """An authorization that is gone holds no money."""


_MONEY_BACK = (
    "The money counts as given back. If the gateway confirms your reference as a refund of this charge, it is booked "
    "as that; otherwise as money from elsewhere, for finance to clear. Then the saga carries on."
)
_MARKS: Final[Mapping[str, _Mark]] = {
    RefundCharge.name: _Mark(_MONEY_BACK, check=_check_refund, book=_book_refund),
    RefundStray.name: _Mark(_MONEY_BACK, check=_check_stray_refund, book=_book_stray_refund),
    Void.name: _Mark(
        "The authorization counts as gone, or its money as given back if it was taken. Then the saga carries on with "
        "undoing the rest.",
        check=_check_void,
        book=_book_void,
    ),
    VoidStray.name: _Mark(
        "The stray authorization counts as gone. Then the saga carries on.", check=_check_void, book=_book_nothing
    ),
    ShipmentCancelling.name: _Mark(
        "The parcel counts as back with us. Then the saga carries on with undoing the rest.",
        check=_check_nothing,
        book=_book_parcel,
    ),
    CallBackStray.name: _Mark(
        "The stray parcel counts as back with us. Then the saga carries on.", check=_check_nothing, book=_book_parcel
    ),
}
