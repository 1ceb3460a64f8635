"""A witness in the database itself: every write to a saga and to its steps, who wrote it, and in which order.

Its triggers exist only while a test or a chaos run looks on. On PostgreSQL they name the connection that wrote; a
worker keeps one connection from its claim to its last write, so a write of anybody else's is plain to see. On SQLite
connections have no names, and the order of the writes has to speak for itself.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from uuid import UUID

from django.db import connection

from payments.models import SagaExecution

TABLE: Final = "crash_witness"
SAGAS: Final = "payments_sagaexecution"
STEPS: Final = "payments_sagastep"

_COLUMNS: Final = ("epoch", "lease_owner", "state", "direction", "cursor")
_OLD: Final = ", ".join(f"OLD.{name}" for name in _COLUMNS)
_NEW: Final = ", ".join(f"NEW.{name}" for name in _COLUMNS)
_IS: Final = "writer, saga, epoch, owner, state, direction, position"
_WAS: Final = "was_epoch, was_owner, was_state, was_direction, was_position, is_early"
_WRITER: Final = {"postgresql": "pg_backend_pid()", "sqlite": "0"}
_KEY: Final = {"postgresql": "bigserial PRIMARY KEY", "sqlite": "INTEGER PRIMARY KEY AUTOINCREMENT"}
_IS_WORK: Final = {
    # Whatever only the holder of a lease writes. A wake-up leaves it alone, and so does a test that moves a lease
    # into the past.
    "postgresql": f"({_OLD}) <> ({_NEW})"
    " OR (OLD.lease_until IS DISTINCT FROM NEW.lease_until AND NEW.lease_until > now())",
    "sqlite": f"({_OLD}) <> ({_NEW})"
    " OR (OLD.lease_until IS NOT NEW.lease_until AND NEW.lease_until > strftime('%Y-%m-%d %H:%M:%f', 'now'))",
}
_STEP_COLUMNS: Final = ("state", "outcome", "attempts", "look_ups", "key")
_IS_STEP_WORK: Final = " OR ".join(f"OLD.{name} <> NEW.{name}" for name in _STEP_COLUMNS)
_IS_EARLY: Final = {
    "postgresql": "OLD.epoch <> NEW.epoch AND OLD.lease_until IS NOT NULL AND OLD.lease_until > clock_timestamp()",
    "sqlite": "OLD.epoch <> NEW.epoch AND OLD.lease_until IS NOT NULL"
    " AND OLD.lease_until > strftime('%Y-%m-%d %H:%M:%f', 'now')",
}
_TRIGGER: Final = {
    "postgresql": "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {note}; RETURN NULL; END $$;"
    " CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {name}()",
    "sqlite": "CREATE TRIGGER {name} AFTER {event} ON {table} WHEN {when} BEGIN {note}; END",
}
_DROP: Final = {"postgresql": "DROP FUNCTION {name} CASCADE", "sqlite": "DROP TRIGGER IF EXISTS {name}"}
_NAMES: Final = ("begun", "written", "step_begun", "step_written")


@dataclass(frozen=True, slots=True)
class Write:
    """One write. Of a step only `writer`, `saga` and the `epoch` of that moment are known; `was_...` of no insert."""

    writer: int
    saga: UUID
    epoch: int
    owner: str | None
    state: str | None
    direction: str | None
    position: int | None
    was_epoch: int | None = None
    was_owner: str | None = None
    was_state: str | None = None
    was_direction: str | None = None
    was_position: int | None = None
    is_early: bool | None = None

    @property
    def is_step(self) -> bool:
        return self.owner is None

    @property
    def is_claim(self) -> bool:
        return not self.is_step and self.epoch != (self.was_epoch or 0)

    @property
    def is_of_person(self) -> bool:
        """What a person decides about a saga that nobody works on."""
        return self.was_state in (SagaExecution.State.NEEDS_ATTENTION, SagaExecution.State.FAILED_COMPENSATION)


@contextmanager
def watching() -> Iterator[None]:
    """Triggers in the database of now, for as long as this lasts."""
    start()
    try:
        yield
    finally:
        stop()


def start() -> None:
    vendor = connection.vendor
    note = f"INSERT INTO {TABLE} ({_IS}) VALUES ({_WRITER[vendor]}, NEW.id, {_NEW})"
    note_change = (
        f"INSERT INTO {TABLE} ({_IS}, {_WAS}) VALUES ({_WRITER[vendor]}, NEW.id, {_NEW}, {_OLD}, {_IS_EARLY[vendor]})"
    )
    note_step = (
        f"INSERT INTO {TABLE} (writer, saga, epoch)"
        f" SELECT {_WRITER[vendor]}, NEW.saga_id, epoch FROM {SAGAS} WHERE id = NEW.saga_id"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {TABLE} (id {_KEY[vendor]}, writer int, saga uuid,"
            " epoch int, owner text, state text, direction text, position int,"
            " was_epoch int, was_owner text, was_state text, was_direction text, was_position int, is_early bool)"
        )
        for name, event, table, when, what in (
            ("begun", "INSERT", SAGAS, "true", note),
            ("written", "UPDATE", SAGAS, _IS_WORK[vendor], note_change),
            ("step_begun", "INSERT", STEPS, "true", note_step),
            ("step_written", "UPDATE", STEPS, _IS_STEP_WORK, note_step),
        ):
            places = {"name": f"{TABLE}_{name}", "event": event, "table": table, "when": when, "note": what}
            cursor.execute(_TRIGGER[vendor].format(**places))


def stop() -> None:
    with connection.cursor() as cursor:
        for name in _NAMES:
            cursor.execute(_DROP[connection.vendor].format(name=f"{TABLE}_{name}"))
        cursor.execute(f"DROP TABLE {TABLE}")


def writes() -> list[Write]:
    """Everything seen so far, saga by saga, in the order in which it was written."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_IS}, {_WAS} FROM {TABLE} ORDER BY saga, id")
        rows = cursor.fetchall()
    return [Write(writer, UUID(str(saga)), *rest) for writer, saga, *rest in rows]


def intrusions(seen: Iterable[Write]) -> Iterator[tuple[UUID, str]]:
    """The writes of whoever had no lease, or had lost it, as sagas and what was wrong. `seen` is sorted by saga."""
    for saga, history in groupby(seen, key=lambda write: write.saga):
        holder, epoch = 0, 0
        for write in history:
            if write.is_claim:
                if write.epoch != epoch + 1:
                    yield saga, f"the epoch went from {epoch} to {write.epoch}"
                if write.is_early:
                    yield saga, f"epoch {write.epoch} was claimed before the lease had lapsed"
                holder, epoch = write.writer, write.epoch
            elif wrong := _objection(write, holder=holder, epoch=epoch):
                yield saga, wrong


def _objection(write: Write, *, holder: int, epoch: int) -> str:
    if write.is_of_person or (write.epoch == 0 and write.was_epoch is None):
        return ""  # a person's decision; or a saga that was just begun, for whoever claims it
    if write.epoch != epoch:
        return f"a write in epoch {write.epoch} when it was {epoch}"
    if write.writer != holder:
        return f"in epoch {epoch}, connection {holder} had the lease and {write.writer} wrote"
    if not write.is_step and not write.was_owner:
        return f"a write in epoch {epoch} after the lease was let go"
    return "" if write.is_step or _moves_on(write) else f"back from {write.was_position} to {write.position}"


def _moves_on(write: Write) -> bool:
    """Up while going forward, down while undoing, and turning round once."""
    if write.was_position is None or write.position is None:
        return True
    if write.direction == write.was_direction:
        back = write.position - write.was_position
        return back >= 0 if write.direction == SagaExecution.Direction.FORWARD else back <= 0
    return write.direction == SagaExecution.Direction.COMPENSATING
