"""Act on an archived event again; and say beforehand what that would change.

Both run the very code that acted on the event when it came. A preview is rolled back, so it cannot be wrong about
what a replay does; a replay that changes nothing is rolled back too, and leaves no more than its entry in the log.
"""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import structlog
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models.functions import Now

from orders.errors import InvalidTransition
from orders.models import Order
from payments.models import ChargeAttempt, SagaExecution, WebhookEvent
from payments.redaction import redact
from payments.webhooks import facts, inbox, words
from payments.webhooks.facts import Change

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger(__name__)

MAY_REPLAY: Final = "payments.replay_webhookevent"
LONGEST_REASON: Final = 180
"""Characters; the event keeps the reason in its own row."""
MOVED_ON: Final = "Somebody else, or the worker, has acted on the event meanwhile. See how it stands now."

Status = WebhookEvent.Status


@dataclass(frozen=True, slots=True)
class Replay:
    """What acting on an event again changes; `status` is how the event stands afterwards.

    Unless it `is_done`, new rows are there no more, nor are their names.
    """

    event: str
    status: str
    changes: tuple[Change, ...]
    is_done: bool = False

    @property
    def sentences(self) -> list[str]:
        """For people; one that says so where nothing changes."""
        return [words.sentence(change) for change in self.changes] or [words.NOTHING[self.status]]

    def as_data(self) -> dict[str, Any]:
        """As JSON can take it; amounts in minor units of `currency`."""
        changes = [
            {
                "object": change.kind,
                "id": change.name if self.is_done or not change.is_new else None,
                "before": dict(change.before) or None,
                "after": dict(change.after),
            }
            for change in self.changes
        ]
        return {"event": self.event, "status": self.status, "changes": changes, "summary": self.sentences}


def preview(event: WebhookEvent) -> Replay:
    """What a replay would change now. Nothing is changed, though locks are held for a moment."""
    with transaction.atomic(), structlog.contextvars.bound_contextvars(is_preview=True):
        row = WebhookEvent.objects.select_for_update().get(pk=event.pk)
        shown = _act_again(row)
        transaction.set_rollback(True)
    return shown


def replay(event: WebhookEvent, *, by: "User | None") -> Replay:
    """Act on the event again, now. `by` is the person in whose name it is kept; None is the command line.

    Raise InvalidTransition when it does not stand any more as `event` says.
    """
    with transaction.atomic():
        row = WebhookEvent.objects.select_for_update().filter(pk=event.pk, status=event.status).first()
        if row is None:
            raise InvalidTransition(MOVED_ON, event=event.public_id)
        with transaction.atomic():
            done = _act_again(row)
            transaction.set_rollback(not done.changes)
        _remember(event, by, f"Replayed: {'; '.join(done.sentences) if done.changes else 'nothing changed'}.")
    done = dataclasses.replace(done, is_done=True)
    log.info("webhook_replayed", webhook=done.event, by=_name(by), changes=done.sentences)
    return done


def set_aside(event: WebhookEvent, *, by: "User", reason: str) -> None:
    """Nobody can act on this event, and nobody has to: it leaves the queue. It can be replayed later all the same.

    Raise InvalidTransition for an event that has not failed.
    """
    why = redact(reason.strip())
    with transaction.atomic():
        failed = WebhookEvent.objects.filter(pk=event.pk, status=Status.FAILED)
        if not failed.update(status=Status.IGNORED, error=f"Set aside: {why}"[:200], processed_at=Now()):
            raise InvalidTransition("Only an event that has failed is set aside.", event=event.public_id)
        _remember(event, by, f"Set aside: failed -> ignored, because: {why} It had failed with: {event.error}")
    log.info("webhook_set_aside", webhook=event.public_id, by=_name(by), reason=why)


def history(event: WebhookEvent) -> list[LogEntry]:
    """What people did to it, newest first."""
    kind = ContentType.objects.get_for_model(WebhookEvent)
    entries = LogEntry.objects.filter(content_type=kind, object_id=str(event.pk))
    return list(entries.select_related("user").order_by("-action_time", "-pk"))


def _act_again(event: WebhookEvent) -> Replay:
    """The caller brings the transaction, and holds the event's row."""
    order_id = _order_of(event)
    _lock(order_id)
    is_unexpected = _told_the_unexpected(event)
    before = facts.read(event, order_id)
    _reopen(event)
    inbox.apply(event)
    changes = facts.differences(before, facts.read(event, order_id))
    if is_unexpected and not any(map(_is_booked, changes)):
        return Replay(event.public_id, Status.FAILED, ())
    event.refresh_from_db(fields=["status"])
    return Replay(event.public_id, event.status, changes)


def _is_booked(change: Change) -> bool:
    """More than an event that says something else now, or a saga that is woken to find nothing new."""
    return change.is_new or change.kind not in ("event", "saga")


def _told_the_unexpected(event: WebhookEvent) -> bool:
    """It was acted on, and its money is in suspense: that this is recorded by now is no reason to leave the queue."""
    return event.status == Status.FAILED and event.processed_at is not None


def _order_of(event: WebhookEvent) -> UUID | None:
    """The order that it is about. One that has never found its charge is tried, to see whether it does now."""
    if event.charge_id is None:
        with transaction.atomic():
            inbox.apply(event)
            transaction.set_rollback(True)
        found = event.charge
        event.refresh_from_db()
        return found.order_id if found else None
    return ChargeAttempt.objects.values_list("order_id", flat=True).get(pk=event.charge_id)


def _lock(order_id: UUID | None) -> None:
    """So that nobody else's changes are taken for the event's; in the order in which every money path locks."""
    if order_id is not None:
        list(SagaExecution.objects.select_for_update().filter(order_id=order_id).order_by("pk").values_list("pk"))
        Order.objects.select_for_update().get(pk=order_id)


def _reopen(event: WebhookEvent) -> None:
    """Compare-and-swap back to where the worker would find it."""
    standing = WebhookEvent.objects.filter(pk=event.pk, status=event.status)
    changes = {"status": Status.RECEIVED, "attempts": 0, "error": "", "processed_at": None}
    if not standing.update(next_attempt_at=Now(), **changes):
        raise InvalidTransition(MOVED_ON, event=event.public_id)
    for name, value in changes.items():
        setattr(event, name, value)


def _remember(event: WebhookEvent, by: "User | None", message: str) -> None:
    """In the back office's log, in the commit that does it."""
    if by is not None:
        LogEntry.objects.log_actions(by.pk, [event], CHANGE, message, single_object=True)


def _name(by: "User | None") -> str:
    return by.get_username() if by else "the command line"
