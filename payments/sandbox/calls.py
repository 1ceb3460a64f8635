"""The way of every call: faults, idempotency, the operation, its journal entry, one commit, then the answer."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from payments.sandbox.faults import Faults
from payments.sandbox.fields import parse_object
from payments.sandbox.journal import Entry, Journal, Subject, add_entry
from payments.sandbox.messages import Answer, Delivery, Refusal, Request, encode, server_error, too_many_requests
from payments.sandbox.records import Charge, find
from payments.sandbox.turn import Outcome, Result, Turn, nothing_done

Handler = Callable[[Turn, Request], Outcome]

AFTERWARDS = {"reset_after": Delivery.RESET, "drop_after": Delivery.SILENCE, "garbage": Delivery.GARBAGE}

MAX_KEY = 255


class Calls:
    """Answers calls one at a time: a second call with the same key finds the first one's answer."""

    def __init__(self, journal: Journal, faults: Faults, *, public_url: str) -> None:
        self.journal = journal
        self.faults = faults
        self.public_url = public_url
        self.stopping = threading.Event()
        self._wakes: dict[str, threading.Event] = {}

    def answer(self, operation: str, handler: Handler, request: Request) -> Answer:
        """Run one call to its end. When this returns, everything about it is on disk."""
        if latency := self.faults.take(operation, "latency"):
            self.stopping.wait(latency.seconds)
        key = request.key if request.method == "POST" else request.query.get("idempotency_key")
        with self.turn(key=key) as turn:
            outcome, is_replayed = self._outcome(turn, operation, handler, request)
            is_answered = outcome.delivery in (Delivery.ANSWER, Delivery.GARBAGE)
            entry = Entry(turn.at, operation, key, outcome.subject, outcome.result, is_replayed, is_answered)
            add_entry(turn.db, entry)
        return _answer(outcome, is_replayed=is_replayed)

    @contextmanager
    def turn(self, *, key: str | None = None) -> Iterator[Turn]:
        """A transaction of the journal; wakes the background threads when it brought news."""
        with self.journal.transaction() as db:
            turn = Turn(db, datetime.now(UTC), self.faults, self.public_url, key)
            yield turn
        for topic in turn.news:
            self.wake_of(topic).set()

    def wake_of(self, topic: str) -> threading.Event:
        """Set whenever there is something new for the background thread of this name."""
        return self._wakes.setdefault(topic, threading.Event())

    def stop(self) -> None:
        """Release whoever waits here; the background threads end."""
        self.stopping.set()
        for wake in self._wakes.values():
            wake.set()

    def _outcome(self, turn: Turn, operation: str, handler: Handler, request: Request) -> tuple[Outcome, bool]:
        try:
            request = replace(request, body=parse_object(request.content))
            prevented = self._prevented(turn, operation, request)
            if prevented is not None:
                return prevented, False
            replayed = _replay(turn, request)
            outcome = replayed or handler(turn, request)
        except Refusal as refusal:
            replayed, outcome = None, nothing_done(_asked(turn, request), refusal)
        if outcome.is_definite and replayed is None:
            _keep(turn, request, outcome)
        after = self.faults.take(operation, *AFTERWARDS)
        return (replace(outcome, delivery=AFTERWARDS[after.fault]) if after else outcome), replayed is not None

    def _prevented(self, turn: Turn, operation: str, request: Request) -> Outcome | None:
        if request.method == "POST" and request.is_abandoned():
            # The settle delay of zero that the sandbox promises: what its caller no longer waits for does not happen.
            return nothing_done(_asked(turn, request), server_error(), Delivery.SILENCE)
        fault = self.faults.take(operation, "drop_before", "status_500", "status_429")
        if fault is None:
            return None
        refusal = too_many_requests() if fault.fault == "status_429" else server_error()
        delivery = Delivery.SILENCE if fault.fault == "drop_before" else Delivery.ANSWER
        return nothing_done(_asked(turn, request), refusal, delivery)


def _answer(outcome: Outcome, *, is_replayed: bool) -> Answer:
    headers: tuple[tuple[str, str], ...] = (("Idempotent-Replayed", "true"),) if is_replayed else ()
    if outcome.status == 429:
        headers += (("Retry-After", "1"),)
    return Answer(outcome.status, encode(outcome.body), headers=headers, delivery=outcome.delivery)


def _replay(turn: Turn, request: Request) -> Outcome | None:
    """What the same call came to before. Raises Refusal when the key was used for another call."""
    if request.method != "POST" or request.key is None:
        return None
    if not (0 < len(request.key) <= MAX_KEY and request.key.isascii() and request.key.isprintable()):
        raise Refusal(
            400, "idempotency_key_invalid", f"Idempotency-Key must be 1 to {MAX_KEY} printable ASCII characters."
        )
    row = turn.db.execute("SELECT * FROM keys WHERE key = ?", (request.key,)).fetchone()
    if row is None:
        return None
    if row["fingerprint"] != _fingerprint(request):
        raise Refusal(422, "idempotency_key_reused", "This Idempotency-Key was used for another request.")
    subject = Subject(row["charge"], row["shipment"], row["order"], row["amount"], row["currency"])
    return Outcome(row["status"], json.loads(row["body"]), Result(row["result"]), subject, True)


def _keep(turn: Turn, request: Request, outcome: Outcome) -> None:
    if request.method != "POST" or request.key is None:
        return
    subject = outcome.subject
    what = (subject.charge, subject.shipment, subject.order, subject.amount, subject.currency)
    turn.db.execute(
        "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (request.key, _fingerprint(request), outcome.status, encode(outcome.body), outcome.result, *what),
    )


def _fingerprint(request: Request) -> bytes:
    body = json.dumps(request.body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{request.method} {request.path} {body}".encode()).digest()


def _asked(turn: Turn, request: Request) -> Subject:
    """What a call that did nothing was about, as far as it can be told."""
    order, amount, currency = (request.body.get(name) for name in ("order", "amount", "currency"))
    found = find(turn.db, request.target) if request.target else None
    is_shipment = request.path.startswith("/v1/shipments")
    return Subject(
        charge=None if is_shipment else request.target or None,
        shipment=request.target or None if is_shipment else None,
        order=found.order if found else _text_or_none(order),
        amount=amount if type(amount) is int and abs(amount) < 2**63 else None,
        currency=found.currency if isinstance(found, Charge) else _text_or_none(currency),
    )


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= 500 and value.isprintable() else None
