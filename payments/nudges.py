"""Tells Celery's workers which saga is due, in nobody's way.

Whatever makes a saga due and leaves it to a worker nudges, in the same transaction. A nudge is worth half a second and
no more, for a sweep finds the saga anyway; so it may neither delay nor fail what it comes from. Each process hands its
nudges to one thread, and forgets those that are too many or cannot be sent.
"""

import os
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Lock, Thread
from time import monotonic
from typing import Any, Final
from uuid import UUID

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from prometheus_client import Counter

TASK: Final = "payments.tasks.advance"
CAPACITY: Final = 1000
"""More nudges than these do not wait: the broker is slow, and sweeps are under way."""
PATIENCE_SECONDS: Final = 2.0
"""How long a broker may take to confirm a nudge."""
LIFE_SECONDS: Final = 60
"""A broker that can (RabbitMQ) drops older nudges: their sagas were found long ago."""
REST_SECONDS: Final = 5.0
"""How long a broker that failed is left alone. What comes meanwhile is dropped."""
LOG_SECONDS: Final = 60.0

log = structlog.get_logger(__name__)

NUDGES = Counter(
    "paydesk_nudges_total", "Nudges for Celery's workers; a sweep makes up for those not sent.", ["result"]
)


def nudge(saga_id: UUID) -> None:
    """Tell a worker that the saga is due, once this transaction commits, where there is a broker."""
    if settings.CELERY_BROKER_URL:
        transaction.on_commit(lambda: _publisher.put(saga_id), robust=True)


class Publisher:
    """One thread and one connection, begun with the first nudge. `rest` in seconds."""

    def __init__(self, *, capacity: int = CAPACITY, rest: float = REST_SECONDS) -> None:
        self._waiting: Queue[UUID] = Queue(capacity)
        self._rest_seconds = rest
        self._begin = Lock()
        self._thread: Thread | None = None
        self._rests_until = 0.0
        self._logs_at = 0.0

    def put(self, saga_id: UUID) -> None:
        """Have the nudge sent some time soon, or not at all. Never waits."""
        try:
            if monotonic() < self._rests_until:
                raise Full
            self._waiting.put_nowait(saga_id)
        except Full:
            NUDGES.labels("dropped").inc()
            return
        with self._begin:
            if self._thread is None:
                self._thread = Thread(target=self._publish_for_ever, name="nudges", daemon=True)
                self._thread.start()

    def _publish_for_ever(self) -> None:
        while True:
            try:
                self._publish()
            except Exception as error:  # whatever a driver raises means the same here
                NUDGES.labels("failed").inc()
                self._rest(error)

    def _publish(self) -> None:
        """Send what comes, until that fails."""
        connection = _connection()
        try:
            while True:
                _send(self._waiting.get(), connection)
                NUDGES.labels("sent").inc()
        finally:
            connection.collect()  # without a farewell, to which a broker that is silent would not answer

    def _rest(self, error: Exception) -> None:
        """What waits is forgotten too: by the end of the rest it would be stale."""
        self._rests_until = monotonic() + self._rest_seconds
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()
                NUDGES.labels("dropped").inc()
        if monotonic() > self._logs_at:
            self._logs_at = monotonic() + LOG_SECONDS
            log.warning("nudges_not_sent", error=type(error).__name__, detail=str(error))


def _connection() -> Any:
    """A connection of the thread's own, not yet made: those of Celery's pool are there for forked processes too."""
    options = {"max_retries": 0, "confirm_publish": True, "socket_timeout": PATIENCE_SECONDS}
    return current_app.connection_for_write(settings.CELERY_BROKER_URL, transport_options=options)


def _send(saga_id: UUID, connection: Any) -> None:
    current_app.send_task(
        TASK,
        [str(saga_id)],
        queue=settings.CELERY_QUEUE,
        connection=connection,
        ignore_result=True,
        expiration=LIFE_SECONDS,
        timeout=PATIENCE_SECONDS,
    )


def begin_anew() -> None:
    """In a forked process the thread is gone, and its locks may be held for ever."""
    global _publisher
    _publisher = Publisher()


_publisher = Publisher()
os.register_at_fork(after_in_child=begin_anew)
