"""The sandbox's memory: one SQLite file, one commit per call, committed before the call is answered.

Everything a call does (its entry, what it moved, the stored answer under its key, the events to send) is one
transaction, so a power cut leaves either all of it or nothing.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    operation TEXT NOT NULL,
    idempotency_key TEXT,
    charge TEXT,
    shipment TEXT,
    "order" TEXT,
    amount INTEGER,
    currency TEXT,
    result TEXT NOT NULL,
    replayed INTEGER NOT NULL,
    answered INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    "order" TEXT NOT NULL,
    status TEXT NOT NULL,
    expires_at TEXT,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS documents_by_order ON documents ("order", kind);
CREATE INDEX IF NOT EXISTS documents_to_expire ON documents (expires_at) WHERE status = 'authorized';
CREATE TABLE IF NOT EXISTS versions (
    document TEXT NOT NULL,
    at TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS versions_by_document ON versions (document, at);
CREATE TABLE IF NOT EXISTS operations (
    id TEXT PRIMARY KEY,
    operation TEXT NOT NULL,
    idempotency_key TEXT,
    document TEXT,
    "order" TEXT NOT NULL,
    amount INTEGER,
    currency TEXT,
    status TEXT NOT NULL,
    at TEXT NOT NULL,
    error TEXT
);
CREATE INDEX IF NOT EXISTS operations_by_key ON operations (idempotency_key);
CREATE INDEX IF NOT EXISTS movements_by_time ON operations (at)
    WHERE operation IN ('capture', 'refund', 'dispute') AND status = 'succeeded';
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    result TEXT NOT NULL,
    charge TEXT,
    shipment TEXT,
    "order" TEXT,
    amount INTEGER,
    currency TEXT
);
CREATE TABLE IF NOT EXISTS attempts (
    "order" TEXT NOT NULL,
    token TEXT NOT NULL,
    attempt TEXT NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY ("order", token, attempt)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    body BLOB NOT NULL,
    copies INTEGER NOT NULL,
    due_at REAL NOT NULL,
    direction INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'pending'
);
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (due_at) WHERE state = 'pending';
CREATE TABLE IF NOT EXISTS appointments (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    due_at REAL NOT NULL,
    kind TEXT NOT NULL,
    charge TEXT NOT NULL,
    operation TEXT
);
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a call is about, as far as that is known. Amounts are in minor units."""

    charge: str | None = None
    shipment: str | None = None
    order: str | None = None
    amount: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One call, in the words of the public journal."""

    at: str
    operation: str
    idempotency_key: str | None
    subject: Subject
    result: str
    replayed: bool
    answered: bool


class Journal:
    """One writing connection, behind a lock; readers open their own."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.Lock()
        self._readers: list[sqlite3.Connection] = []
        self._writer = connect(path)
        self._writer.executescript(SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything done to the connection inside is committed to disk, or nothing is."""
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A reader that holds nobody up and sees one moment, everything answered so far included."""
        reader = self._readers.pop() if self._readers else connect(self.path)
        try:
            reader.execute("BEGIN")
            yield reader
        finally:
            reader.rollback()
            self._readers.append(reader)

    def close(self) -> None:
        with self._lock:
            for connection in (*self._readers, self._writer):
                connection.close()


def connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    db.execute("PRAGMA busy_timeout = 20000")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.row_factory = sqlite3.Row
    return db


def add_entry(db: sqlite3.Connection, entry: Entry) -> None:
    subject = entry.subject
    what = (subject.charge, subject.shipment, subject.order, subject.amount, subject.currency)
    how = (entry.result, entry.replayed, entry.answered)
    db.execute(
        'INSERT INTO entries (at, operation, idempotency_key, charge, shipment, "order", amount, currency, result,'
        " replayed, answered) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (entry.at, entry.operation, entry.idempotency_key, *what, *how),
    )


def entries_since(db: sqlite3.Connection, sequence: int) -> list[dict[str, Any]]:
    """The entries with a greater sequence, oldest first."""
    rows = db.execute("SELECT * FROM entries WHERE sequence > ? ORDER BY sequence", (sequence,))
    return [dict(row) | {"replayed": bool(row["replayed"]), "answered": bool(row["answered"])} for row in rows]


def moment(at: datetime) -> str:
    """ISO 8601 in UTC, always with microseconds, so that texts sort as times do."""
    return at.isoformat(timespec="microseconds")
