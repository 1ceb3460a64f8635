"""What a Celery worker of Paydesk is: one that says nothing to the broker but what it has to, with a sweep beside it.

So a broker that refuses, blocks or is away keeps no saga waiting, and the worker neither ends nor hangs for it.
"""

import os
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any, ClassVar, Final

import structlog
from celery import bootsteps
from celery.platforms import EX_FAILURE
from celery.worker import state
from celery.worker.consumer import Consumer
from django.conf import settings

from config.stack import MANAGE
from config.supervisor import STOP_SECONDS, TICK_SECONDS, Child, SupervisionError

QUIET: Final = dict.fromkeys(("without_gossip", "without_mingle", "without_heartbeat"), True)
"""What workers tell each other through the broker. RabbitMQ under an alarm would block it, a full Redis refuse it."""
REST_SECONDS: Final = 2.0

log = structlog.get_logger(__name__)


class Listener(Consumer):  # type: ignore[misc]  # Celery has no types
    """Takes nudges from the broker, and tries for ever to reach it."""

    def __init__(self, *args: Any, worker_options: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, worker_options={**(worker_options or {}), **QUIET}, **kwargs)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Also where a broker is reached and refuses what is asked of it: Celery would ask again at once."""
        super().on_connection_error_before_connected(exc)
        sleep(REST_SECONDS)


class Sweep(bootsteps.StartStopStep):  # type: ignore[misc]
    """`manage.py worker` in a child process, unless `CELERY_SWEEP` is off.

    It runs from before the first attempt to reach the broker until the Celery worker ends, however that comes about.
    """

    # The pool forks its processes before there is a second thread.
    requires = ("celery.worker.components:Pool",)
    command: ClassVar = (*MANAGE, "worker")

    def __init__(self, worker: Any, **_: Any) -> None:
        self.enabled = settings.CELERY_SWEEP
        self._child = Child("the sweep", self.command, os.environ, log.warning)
        self._stopping = Event()
        self._keeper = Thread(target=self._keep_alive, name="sweep", daemon=True)

    def start(self, worker: Any) -> None:
        self._child.keep_alive(monotonic())
        self._keeper.start()

    def close(self, worker: Any) -> None:
        """The first part of stopping: the sweep finishes what it has in hand while the pool does."""
        self._stopping.set()
        self._keeper.join()
        self._child.terminate()

    def stop(self, worker: Any) -> None:
        deadline = monotonic() + STOP_SECONDS
        while self._child.is_running and monotonic() < deadline:
            sleep(TICK_SECONDS)
        self._child.kill()

    def terminate(self, worker: Any) -> None:
        self._child.kill()

    def _keep_alive(self) -> None:
        try:
            while not self._stopping.wait(TICK_SECONDS):
                if state.should_stop is None:  # a signal to the whole process group ends the sweep first
                    self._child.keep_alive(monotonic())
        except SupervisionError as error:
            log.critical("sweep_failed", reason=str(error))
            state.should_stop = EX_FAILURE  # a worker without its sweep would forget sagas
