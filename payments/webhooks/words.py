"""What became of an event, and what acting on it again changes, in sentences for people."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from orders.money import in_words as money
from payments.models import WebhookEvent
from payments.webhooks.facts import Change

Status = WebhookEvent.Status

NOTHING: Final[Mapping[str, str]] = {
    Status.RECEIVED: "nothing would change: it waits until its saga is over",
    Status.PROCESSED: "nothing would change: it is already recorded",
    Status.WAITING_FOR_OBJECT: "nothing would change: what it is about is still not known here",
    Status.FAILED: "nothing would change: a person has to decide",
    Status.IGNORED: "nothing would change: it tells of nothing that is booked",
}
"""By how the event would end."""
_ENDS: Final[Mapping[str, str]] = {
    Status.RECEIVED: "It was received, and is acted on by the worker.",
    Status.PROCESSED: "It was acted on, or told what was known already.",
    Status.WAITING_FOR_OBJECT: "What it is about is not known here yet: it is tried again, with growing pauses.",
    Status.IGNORED: "It tells of nothing that is booked.",
}


def became(event: WebhookEvent) -> str:
    """What became of the event so far; of one that failed, what went wrong."""
    if event.status == Status.FAILED:
        return f"It could not be acted on: {reason(event.error)}"
    if event.status == Status.IGNORED and event.error:
        return event.error
    if event.status == Status.RECEIVED and event.error:
        return f"It is tried again: {reason(event.error)}"
    return _ENDS[event.status]


def reason(error: str) -> str:
    """`error` as the inbox keeps it: a sentence, or the name of an exception that nobody foresaw."""
    if " " in error:
        return error
    return f"what it says could not be read or booked ({error or 'no reason was kept'}). The worker's log has the rest."


def sentence(change: Change) -> str:
    """One change, such as `charge ch_… authorized -> captured, captured 0.00 USD -> 25.00 USD`."""
    if change.is_new:
        return _MADE.get(change.kind, _made)(change)
    if change.kind == "saga" and change.before["state"] == change.after["state"]:
        return f"saga {change.name} woken: it asks the gateway"
    if change.kind == "step":
        return f"what the gateway told is kept on the step {change.name}"
    return f"{change.kind} {change.name} {', '.join(_moves(change))}"


def _moves(change: Change) -> Iterator[str]:
    """What is another in a row that was there: states first, then amounts."""
    old, new = change.before, change.after
    for field in (name for name in ("status", "state") if name in new and old[name] != new[name]):
        yield f"{_plain(old[field])} -> {_plain(new[field])}"
    for field in (name for name in new if name.endswith("_minor") and old[name] != new[name]):
        amounts = (money(row[field], new["currency"]) for row in (old, new))
        yield f"{_plain(field.removesuffix('_minor'))} {' -> '.join(amounts)}"
    if new.get("is_withdrawn") != old.get("is_withdrawn"):
        yield "its amount taken by the gateway" if new["is_withdrawn"] else "its amount come back"
    if new.get("error"):
        yield reason(new["error"])
    if new.get("gateway_reference") != old.get("gateway_reference"):
        yield f"known to the gateway as {new['gateway_reference']}"


def _outcome(change: Change) -> str:
    row = change.after
    return f"{row['operation']} of {money(row['amount_minor'], row['currency'])} recorded as {row['transaction_id']}"


def _posting(change: Change) -> str:
    row = change.after
    accounts = f"debit {_plain(row['debit'])}, credit {_plain(row['credit'])}"
    return f"{row['kind']} of {money(row['amount_minor'], row['currency'])} posted: {accounts}"


def _saga(change: Change) -> str:
    return f"{change.after['definition']} saga begun"


def _dispute(change: Change) -> str:
    row = change.after
    return f"dispute of {money(row['amount_minor'], row['currency'])} known, {row['status']}"


def _made(change: Change) -> str:
    return f"{change.kind} {change.name} made"


_MADE: Final[Mapping[str, Callable[[Change], str]]] = {
    "dispute": _dispute,
    "outcome": _outcome,
    "posting": _posting,
    "saga": _saga,
}


def _plain(name: str) -> str:
    return name.replace("_", " ")
