"""A replay beside the worker, and beside another replay, at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from orders.errors import InvalidTransition
from orders.models import Order
from payments.models import LedgerPosting, WebhookEvent
from payments.webhooks import inbox, replay
from tests.payments.webhooks.events import missed_capture
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What each returned, or the InvalidTransition it raised; each on a connection of its own."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        try:
            barrier.wait()
            return act()
        except InvalidTransition as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def assert_booked_once() -> None:
    assert [row.amount_minor for row in LedgerPosting.objects.all()] == [25_00]
    assert Order.objects.get().paid_minor == 25_00
    assert WebhookEvent.objects.get().status == "processed"


def test_of_several_replays_of_one_event_one_books_it(sandbox: Sandbox) -> None:
    event = missed_capture(sandbox)

    ends = at_once(*[lambda: replay.replay(WebhookEvent(pk=event.pk, status="failed"), by=None)] * 4)

    assert sum(isinstance(end, replay.Replay) and bool(end.changes) for end in ends) == 1
    assert_booked_once()


def test_a_replay_and_the_worker_book_an_event_once(sandbox: Sandbox) -> None:
    event = missed_capture(sandbox, status="received", attempts=1)

    at_once(inbox.apply_next, lambda: replay.replay(event, by=None), inbox.apply_next)

    assert_booked_once()


def test_previews_beside_a_replay_change_nothing(sandbox: Sandbox) -> None:
    event = missed_capture(sandbox)

    ends = at_once(lambda: replay.preview(event), lambda: replay.replay(event, by=None), lambda: replay.preview(event))

    assert all(isinstance(end, replay.Replay) for end in ends)
    assert_booked_once()
