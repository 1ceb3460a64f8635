"""Sagas, their steps and their history, each in a sentence that needs no knowledge of the engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from orders.admin.marks import in_words, money
from payments.gateways.base import Result
from payments.models import SagaEvent, SagaExecution, SagaIntervention, SagaStep

State = SagaExecution.State

STATES: Final[Mapping[str, str]] = {
    State.PENDING: "It is about to begin.",
    State.RUNNING: "It is being carried on.",
    State.WAITING: "It waits.",
    State.COMPENSATING: "It is being undone.",
    State.NEEDS_ATTENTION: "It has stopped: a person has to decide.",
    State.FAILED_COMPENSATION: "It could not be undone: a person has to.",
    State.COMPLETED: "It is completed.",
    State.COMPENSATED: "It has failed, and everything it did is undone.",
    State.RESOLVED: "A person has resolved it.",
}
WAITING_FOR: Final[Mapping[str, str]] = {
    "customer_action": "the customer to confirm the payment",
    "review": "a person's review",
    "unknown_outcome": "the outcome of a call nobody knows about yet",
    "back_off": "its next try",
    "captures_stopped": "captures to go on, which are all stopped",
    "gateway": "the gateway to finish",
    "carrier": "the carrier to finish",
}


@dataclass(frozen=True, slots=True)
class Words:
    """A step in words; `{amount}`, `{peer}` and `{ids}` are filled in.

    `done` says what it did, `to_do` follows "to", `not_needed` says why there was nothing to do.
    """

    done: str
    to_do: str
    not_needed: str = "There was nothing to do."


_FORWARD: Final[Mapping[str, Words]] = {
    "reserve_inventory": Words("Set the order's items aside.", "set the order's items aside"),
    "screen_order": Words("Screened the order before the card was asked.", "screen the order"),
    "authorize_payment": Words("Authorized {amount} at {peer}{ids}.", "authorize {amount} at {peer}"),
    "screen_authorization": Words("Screened what the card's issuer told.", "screen the authorization"),
    "await_review": Words("Nothing stood in the way of taking the money.", "let the payment through"),
    "capture_payment": Words("Captured {amount} at {peer}{ids}.", "capture {amount} at {peer}"),
    "create_shipment": Words("Handed the parcel to the carrier{ids}.", "hand the parcel to the carrier"),
    "complete_order": Words("Completed the order; its items have left the stock for good.", "complete the order"),
    "void_stray": Words(
        "Voided a stray authorization of {amount} at {peer}{ids}.",
        "void a stray authorization of {amount} at {peer}",
        "No stray authorization had to be voided.",
    ),
    "refund_stray": Words(
        "Refunded a stray capture of {amount} at {peer}{ids}.",
        "refund a stray capture of {amount} at {peer}",
        "No stray capture had to be refunded.",
    ),
    "call_back_stray": Words(
        "Called a stray parcel back{ids}.", "call a stray parcel back", "No stray parcel had to be called back."
    ),
}
_BACK: Final[Mapping[str, Words]] = {
    "release_inventory": Words("Put the reserved items back.", "put the reserved items back"),
    "void_payment": Words(
        "Voided the authorization of {amount} at {peer}{ids}.",
        "void the authorization of {amount} at {peer}",
        "No authorization was left to void.",
    ),
    "refund_payment": Words(
        "Refunded {amount} at {peer}{ids}.",
        "refund {amount} at {peer}",
        "No captured money was left to refund.",
    ),
    "cancel_shipment": Words(
        "Called the parcel back{ids}.", "call the parcel back", "There was no parcel to call back."
    ),
}


def waiting_for(saga: SagaExecution) -> str:
    return WAITING_FOR.get(saga.waiting_for, in_words(saga.waiting_for))


def state_of(saga: SagaExecution) -> str:
    if saga.is_paused:
        return "It is paused by a person."
    if saga.state == State.WAITING and saga.waiting_for:
        return f"It waits for {waiting_for(saga)}."
    return STATES[saga.state]


def why(saga: SagaExecution) -> str:
    """Why a saga turned back, in the words it was told; empty when it did not."""
    return str(saga.failure.get("detail", "")) if saga.failure else ""


def sentence(step: SagaStep, *, gateway: str, has_stopped: bool = False) -> str:
    """What this step did, does, or could not do; `has_stopped`: nothing goes on with it until a person sees to it."""
    words = _words(step)
    facts = _facts(step, gateway)
    if step.result.get("stated_in"):
        return f"Counted as done by people's word ({step.result['stated_in']}): {words.to_do.format(**facts)}."
    if step.state == SagaStep.State.DONE:
        told = words.not_needed if step.outcome == SagaStep.Outcome.NOT_NEEDED else words.done
        return told.format(**facts) + _after(step)
    to_do = words.to_do.format(**facts)
    detail = str(step.error.get("detail", ""))
    if is_unexpected(step):
        return f"Asked to {to_do}, and something else was done. {detail}".rstrip()
    if step.state == SagaStep.State.FAILED:
        return f"Could not {to_do}: {detail or 'no reason was given.'}"
    return _left_off(step, to_do, detail) if has_stopped else _under_way(step, to_do, detail)


def _words(step: SagaStep) -> Words:
    is_forward = step.direction == SagaExecution.Direction.FORWARD
    first, second = (_FORWARD, _BACK) if is_forward else (_BACK, _FORWARD)
    name = in_words(step.name)
    return first.get(step.name) or second.get(step.name) or Words(f"Did {name}{{ids}}.", name)


def is_unexpected(step: SagaStep) -> bool:
    """Whether the peer has done something, and something other than it was asked for."""
    return step.state != SagaStep.State.DONE and step.result.get("result") == Result.SUCCEEDED


def has_stopped(step: SagaStep, saga: SagaExecution) -> bool:
    """Whether the saga has stopped in the middle of this step, for a person to decide."""
    return step.state == SagaStep.State.STARTED and saga.state in SagaExecution.STUCK


def _facts(step: SagaStep, gateway: str) -> dict[str, str]:
    """What was done, once it is; until then what was asked for."""
    is_done = step.state == SagaStep.State.DONE and "amount_minor" in step.result
    told: Mapping[str, Any] = step.result if is_done else step.request
    amount = money(told["amount_minor"], told.get("currency", "")) if told.get("amount_minor") else "the money"
    ids = step.result.get("tracking_number") or step.result.get("transaction_id")
    return {"amount": amount, "peer": gateway or "the gateway", "ids": f" ({ids})" if ids else ""}


def _after(step: SagaStep) -> str:
    """How it came to be known, where that was not by the first answer."""
    if step.attempts > 1:
        return f" It took {step.attempts} attempts."
    if step.calls and step.calls[-1].get("operation") == "look_up":
        return " Its answer was lost; a look-up found it done."
    return ""


def _under_way(step: SagaStep, to_do: str, detail: str) -> str:
    if step.result.get("result") == "requires_action":
        return f"Asked to {to_do}; the customer has to confirm it."
    if step.outcome == SagaStep.Outcome.UNKNOWN:
        return f"Asked to {to_do}; what became of it is not known yet. {detail}".rstrip()
    if step.error:
        return f"Tries to {to_do}; the last time: {detail}"
    return f"Is about to {to_do}."


def _left_off(step: SagaStep, to_do: str, detail: str) -> str:
    if step.outcome == SagaStep.Outcome.UNKNOWN:
        return f"Asked to {to_do}; what became of it is not known. {detail}".rstrip()
    if step.error:
        return f"Tried to {to_do}, and stopped: {detail}"
    return f"Was about to {to_do}, and stopped."


def event_sentence(event: SagaEvent) -> str:
    told = _EVENTS.get(event.kind, "{kind}. {reason}").format(
        kind=in_words(event.kind).capitalize(),
        step=in_words(str(event.before.get("step", ""))),
        action=_ACTIONS.get(str(event.after.get("action")), ""),
        reason=event.reason or str(event.after.get("detail", "")),
        before=in_words(str(event.after.get("before"))),
        after=in_words(str(event.after.get("after"))),
        waiting_for=WAITING_FOR.get(str(event.after.get("waiting_for")), in_words(str(event.after.get("waiting_for")))),
    )
    return told.strip()


_ACTIONS: Final[Mapping[str, str]] = {action.value: str(action.label) for action in SagaIntervention.Action}
_EVENTS: Final[Mapping[str, str]] = {
    "parked": "Began to wait for {waiting_for}.",
    "failed_over": "Went to {after}, because {before} had done nothing: {reason}",
    "compensation_started": "Turned back, to undo everything: {reason}",
    "needs_attention": "Stopped for a person to decide: {reason}",
    "failed_compensation": "Could not undo everything, and stopped for a person: {reason}",
    "completed": "Everything is done.",
    "compensated": "Everything is undone.",
    "retried": "Was told to try “{step}” again: {reason}",
    "looked_up": "Gateway and carrier were asked, and nothing was changed: {reason}",
    "step_skipped": "“{step}” was skipped: {reason}",
    "context_edited": "What its steps know was changed: {reason}",
    "unknown_resolved": "What became of “{step}” was settled: {reason}",
    "marked_compensated": "“{step}” was marked as done elsewhere: {reason}",
    "turned_back": "Was told to undo everything: {reason}",
    "paused": "Was paused: {reason}",
    "resumed": "Was told to go on: {reason}",
    "forced_to_complete": "Was forced to be complete: {reason}",
    "forced_to_fail": "Was forced to have failed: {reason}",
    "intervention_requested": "Somebody asked for “{action}”; a second person has to approve: {reason}",
    "intervention_refused": "A second person refused “{action}”: {reason}",
    "intervention_withdrawn": "Whoever asked for “{action}” does not want it any more: {reason}",
    "intervention_stale": "It was too late for “{action}”, the saga had moved on: {reason}",
    "crashed": "The worker that carried it on failed ({reason}); another takes over.",
}
