"""Nudges over a broker: duplicate, late, stale or garbled, a message does no more than have a worker look at a saga."""

import os
import socket
from collections.abc import Callable
from time import monotonic
from uuid import UUID

import structlog
from celery import current_app, shared_task
from django.conf import settings

from payments.models import SagaExecution
from payments.sagas import engine

log = structlog.get_logger(__name__)


@shared_task(ignore_result=True)
def advance(saga_id: object) -> None:
    """Carry the saga on if it is due. Whatever else the message says is logged and forgotten."""
    try:
        known = UUID(str(saga_id))
    except ValueError:
        log.warning("nudge_unreadable", saga=str(saga_id)[:80])
        return
    owner = f"celery:{socket.gethostname()[:48]}:{os.getpid()}"
    is_mine = engine.advance(known, owner=owner, should_stop=_end_of_shift())
    if not is_mine and not SagaExecution.objects.filter(pk=known).exists():
        log.warning("nudge_for_no_saga", saga=str(known))


def _end_of_shift() -> Callable[[], bool]:
    """Leave the rest to another task before an exchange with the gateway might meet the hard limit."""
    limit = current_app.conf.task_time_limit
    longest = 2 * settings.GATEWAY_TIMEOUT_SECONDS + 1
    ends_at = monotonic() + max(limit - longest, limit / 4)
    return lambda: monotonic() > ends_at
