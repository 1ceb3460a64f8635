"""Sends the outbox: at least once, in order, with growing pauses, and quietly while nobody listens.

A receiver that is not there (connection refused, 404) pauses everything, so that a long outbox costs one cheap try
per pause, and loses no event. A receiver that is there and says no (500, a timeout) only puts off that one event,
MAX_TRIES times.
"""

import sqlite3
import time
from collections.abc import Sequence
from enum import Enum, auto

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError

from payments.sandbox import outbox
from payments.sandbox.calls import Calls
from payments.sandbox.signing import HEADER, sign

TIMEOUT_SECONDS = 5.0
MAX_TRIES = 15
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
LONGEST_ABSENCE_SECONDS = 10.0
NOTHING_TO_DO_SECONDS = 3600.0
BATCH = 50


class Verdict(Enum):
    """What the receiver made of an event."""

    TAKEN = auto()
    REFUSED = auto()
    ABSENT = auto()


class Sender:
    """Delivers events to one address, signed at the moment they are sent. For one thread."""

    def __init__(self, calls: Calls, url: str, *, secrets: Sequence[str]) -> None:
        self._calls = calls
        self._url = url
        self._secrets = secrets
        self._pool = urllib3.PoolManager(retries=False, timeout=TIMEOUT_SECONDS)
        self._absences = 0
        self._paused_until = 0.0

    def send_what_is_due(self) -> float:
        """Send the events that are due; seconds until the next try makes sense."""
        now = time.time()
        if now < self._paused_until:
            return self._paused_until - now
        with self._calls.journal.snapshot() as db:
            parcels = outbox.due(db, now, limit=BATCH)
        self._settle(self._send_until_absent(parcels))
        return self._seconds_to_next()

    def close(self) -> None:
        self._pool.clear()

    def _send_until_absent(self, parcels: list[outbox.Parcel]) -> list[tuple[outbox.Parcel, Verdict]]:
        tried = []
        for parcel in parcels:
            if self._calls.stopping.is_set():
                break
            tried.append((parcel, self._send(parcel)))
            if self._is_paused_after(tried[-1][1]):
                break
        return tried

    def _send(self, parcel: outbox.Parcel) -> Verdict:
        verdict = self._post(parcel.body)
        for _ in range(1, parcel.copies):
            verdict = self._post(parcel.body)
        return verdict

    def _post(self, body: bytes) -> Verdict:
        signature = sign(body, secrets=self._secrets, timestamp=int(time.time()))
        headers = {"Content-Type": "application/json", HEADER: signature}
        try:
            status = self._pool.request("POST", self._url, body=body, headers=headers).status
        except NewConnectionError:
            return Verdict.ABSENT
        except HTTPError:
            return Verdict.REFUSED
        if status == 404:
            return Verdict.ABSENT
        return Verdict.TAKEN if 200 <= status < 300 else Verdict.REFUSED

    def _is_paused_after(self, verdict: Verdict) -> bool:
        if verdict is not Verdict.ABSENT:
            self._absences = 0
            return False
        self._paused_until = time.time() + _pause(self._absences, LONGEST_ABSENCE_SECONDS)
        self._absences += 1
        return True

    def _settle(self, tried: list[tuple[outbox.Parcel, Verdict]]) -> None:
        if any(verdict is not Verdict.ABSENT for _, verdict in tried):
            with self._calls.journal.transaction() as db:
                for parcel, verdict in tried:
                    _note(db, parcel, verdict)

    def _seconds_to_next(self) -> float:
        with self._calls.journal.snapshot() as db:
            due_at = outbox.next_due_at(db)
        now = time.time()
        return max(0.0, due_at - now, self._paused_until - now) if due_at is not None else NOTHING_TO_DO_SECONDS


def _note(db: sqlite3.Connection, parcel: outbox.Parcel, verdict: Verdict) -> None:
    if verdict is Verdict.TAKEN:
        outbox.close(db, parcel, "delivered")
    elif verdict is Verdict.REFUSED and parcel.tries + 1 >= MAX_TRIES:
        outbox.close(db, parcel, "given_up")
    elif verdict is Verdict.REFUSED:
        outbox.put_off(db, parcel, time.time() + _pause(parcel.tries, LONGEST_PAUSE_SECONDS))


def _pause(failures: int, longest: float) -> float:
    """Seconds: doubles with each failure so far, up to `longest`."""
    return min(longest, FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 20))
