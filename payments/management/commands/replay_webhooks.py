import contextlib
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import IO, Any, Final, cast
from uuid import UUID

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils import timezone
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from orders.errors import InvalidTransition
from orders.ids import parse_id
from payments.models import WebhookEvent
from payments.webhooks.replay import Replay, preview, replay

BATCH: Final = 500
"""Events read at once, and looked at between two lines of progress where there is no terminal."""

Say = Callable[[str], None]


class Command(BaseCommand):
    help = "Act on archived webhooks again. Without --apply, only say what that would change."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--gateway", help="of this gateway alone")
        parser.add_argument("--status", help=f"that stand so: {', '.join(WebhookEvent.Status.values)}")
        parser.add_argument("--kind", help="of this kind, as the gateway calls it")
        parser.add_argument("--since", metavar="WHEN", help="received from then on: 2026-03-01 or 2026-03-01T12:00Z")
        parser.add_argument("--until", metavar="WHEN", help="received before then; without it, before now")
        parser.add_argument("--id", action="append", metavar="ID", help="this event; several times for several")
        parser.add_argument("--by", metavar="USERNAME", help="in whose name it is kept in the back office's log")
        parser.add_argument("--apply", action="store_true", help="do it, rather than say what it would change")

    def handle(self, *, apply: bool, by: str | None, **chosen: Any) -> None:
        events, person = _chosen(**chosen), _person(by)
        try:
            counts = self._each(events, (lambda event: replay(event, by=person)) if apply else preview)
        except DatabaseError as error:
            raise CommandError(f"the database failed: {error}".strip().splitlines()[0]) from error
        self.stdout.write(_summary(counts, is_done=apply))

    def _each(self, events: QuerySet[WebhookEvent], act: Callable[[WebhookEvent], Replay]) -> Counter[str]:
        """One after the other, each in a transaction of its own; how many changed something, nothing, or moved on."""
        counts: Counter[str] = Counter()
        with self._progress(events.count()) as (say, step):
            for event in _in_batches(events):
                try:
                    done = act(event)
                except InvalidTransition as error:
                    counts["moved on"] += 1
                    say(f"{event}: {error.detail}")
                else:
                    counts["changed" if done.changes else "same"] += 1
                    if done.changes:
                        say(f"{event}: {'; '.join(done.sentences)}")
                step()
        return counts

    @contextlib.contextmanager
    def _progress(self, total: int) -> Iterator[tuple[Say, Callable[[], None]]]:
        """How a line is said, and how one event more is: by a bar on a terminal, in plain lines elsewhere."""
        if self.stdout.isatty():
            console = Console(file=cast("IO[str]", self.stdout), highlight=False, markup=False, soft_wrap=True)
            columns = (*Progress.get_default_columns(), MofNCompleteColumn())
            with Progress(*columns, console=console, transient=True) as bar:
                task = bar.add_task("Events", total=total)
                yield console.print, lambda: bar.advance(task)
            return
        done = iter(range(1, total + BATCH))  # some may come meanwhile

        def step() -> None:
            number = next(done, 0)
            if number and number % BATCH == 0 and number < total:
                self.stdout.write(f"{number} of {total} looked at")

        yield self.stdout.write, step


def _chosen(
    *, gateway: str | None, status: str | None, kind: str | None, since: str | None, until: str | None, **more: Any
) -> QuerySet[WebhookEvent]:
    """The events that were asked for; raise CommandError with what cannot be understood."""
    if status and status not in WebhookEvent.Status.values:
        raise CommandError(f"--status is one of {', '.join(WebhookEvent.Status.values)}, not {status!r}")
    facts = {"gateway": gateway, "status": status, "kind": kind}
    events = WebhookEvent.objects.filter(**{name: value for name, value in facts.items() if value})
    events = events.filter(received_at__lt=_moment("--until", until) if until else timezone.now())
    if since:
        events = events.filter(received_at__gte=_moment("--since", since))
    return _named(events, more["id"]) if more["id"] else events


def _named(events: QuerySet[WebhookEvent], ids: list[str]) -> QuerySet[WebhookEvent]:
    """Raise CommandError for an id that no event has, so that nobody takes a slip for "nothing to do"."""
    keys = {name: parse_id(WebhookEvent.PREFIX, name) for name in ids}
    known = set(WebhookEvent.objects.filter(pk__in=[key for key in keys.values() if key]).values_list("pk", flat=True))
    if missing := [name for name, key in keys.items() if key not in known]:
        raise CommandError(f"there is no event {', '.join(missing)}")
    return events.filter(pk__in=known)


def _moment(option: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{option} is a date such as 2026-03-01 or 2026-03-01T12:00Z, not {text!r}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _person(username: str | None) -> User | None:
    if username is None:
        return None
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise CommandError(f"there is no active user {username!r}")
    return user


def _in_batches(events: QuerySet[WebhookEvent]) -> Iterator[WebhookEvent]:
    """Oldest first. No cursor stays open: on SQLite it would stand in the way of what is written meanwhile."""
    after = UUID(int=0)
    while batch := list(events.defer("body").filter(pk__gt=after).order_by("pk")[:BATCH]):
        yield from batch
        after = batch[-1].pk


def _summary(counts: Counter[str], *, is_done: bool) -> str:
    total = counts.total()
    events = "1 event" if total == 1 else f"{total} events"
    if is_done:
        told = f"{events}: {counts['changed']} changed something, {counts['same']} nothing"
    else:
        told = f"{events}: {counts['changed']} would change something, {counts['same']} nothing"
    if counts["moved on"]:
        told += f", {counts['moved on']} had moved on meanwhile"
    return f"{told}; --apply does it" if counts["changed"] and not is_done else told
