"""One round of the worker: look, decide what is to be told, tell it. What fails in one part stops no other."""

from collections.abc import Iterable

import structlog
from django.utils import timezone

from payments.alerts import delivery, notices, services
from payments.alerts.watchers import WATCHERS, Watcher

log = structlog.get_logger(__name__)


def watch(watchers: Iterable[Watcher] = WATCHERS) -> None:
    """The periodic job."""
    for watcher in watchers:
        _look(watcher)
    notices.tell_due()
    delivery.deliver_due(now=timezone.now())


def _look(watcher: Watcher) -> None:
    try:
        services.observe(watcher.kind.name, list(watcher.look()))
    except Exception:
        log.exception("alert_watcher_failed", kind=watcher.kind.name)
