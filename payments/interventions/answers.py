"""What gateway or carrier answered when they were asked, in a sentence that needs no JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from orders.money import in_words
from payments.gateways.base import Operation, Outcome, Result
from payments.interventions.given import Asked
from payments.interventions.standing import Standing
from payments.sagas.exchange import Started
from payments.sagas.shipping import CarrierOperation

_DONE: Final[Mapping[Operation, str]] = {
    Operation.AUTHORIZE: "authorized",
    Operation.CAPTURE: "captured",
    Operation.VOID: "voided",
    Operation.REFUND: "refunded",
    Operation.SHIP: "handed over",
    Operation.CANCEL_SHIPMENT: "called back",
}
_BECAME: Final[Mapping[Result, str]] = {
    Result.SUCCEEDED: "succeeded",
    Result.PENDING: "is not over yet",
    Result.REQUIRES_ACTION: "waits for the customer",
    Result.DECLINED: "was declined",
    Result.FAILED: "failed",
}
_CANNOT: Final = "The gateway cannot be asked: what became of a call it tells by webhook, or in its own back office."


def said(standing: Standing, asked: Asked) -> str:
    """The answer about the call in hand, and about the charge or parcel; or that there was none."""
    peer = "carrier" if isinstance(standing.operation, CarrierOperation) else "gateway"
    told = [*_of_call(standing.started, asked), *_of_ours(asked)]
    if not _can_be_asked(standing):
        return f"{_CANNOT} It has told: {'; '.join(told)}." if told else f"{_CANNOT} Of this it has told nothing yet."
    if not told:
        return f"The {peer} did not answer." if asked.has_failed else f"The {peer} knows nothing of it."
    rest = " It did not answer everything." if asked.has_failed else ""
    return f"The {peer} says: {'; '.join(told)}.{rest}"


def _can_be_asked(standing: Standing) -> bool:
    return standing.operation is None or standing.operation.peer(standing.run).capabilities.can_be_asked


def _of_call(started: Started | None, asked: Asked) -> Iterator[str]:
    if started is None:
        return
    request, operation = started.request, started.operation.operation.replace("_", " ")
    amount = f" {in_words(request.amount_minor, request.currency)}" if request.amount_minor else ""
    if asked.by_key is not None:
        yield f"the last call, to {operation}{amount}, {_BECAME[asked.by_key.result]}"
    elif not asked.has_failed:
        yield f"nothing is known of the last call, to {operation}{amount}"


def _of_ours(asked: Asked) -> Iterator[str]:
    if asked.own is None or not asked.own.outcomes:
        return
    done = [each for each in asked.own.outcomes if each.result == Result.SUCCEEDED]
    if done:
        yield ", ".join(_totals(done))
    elif asked.by_key is None:
        last = asked.own.outcomes[-1]
        yield f"to {last.operation.replace('_', ' ')} {_BECAME[last.result]}"


def _totals(done: Sequence[Outcome]) -> Iterator[str]:
    """What moved, added up; what was captured had been authorized before."""
    operations = {each.operation for each in done}
    for operation in _DONE:
        if operation in operations and not (operation == Operation.AUTHORIZE and Operation.CAPTURE in operations):
            yield f"{_DONE[operation]}{_total([each for each in done if each.operation == operation])}"
    if Operation.CAPTURE in operations and Operation.REFUND not in operations:
        yield "nothing refunded"


def _total(alike: Sequence[Outcome]) -> str:
    amount = sum(each.amount_minor for each in alike)
    return f" {in_words(amount, alike[-1].currency)}" if amount else ""
