"""A thread that works through what is due, and sleeps until more is."""

import logging
import threading
from collections.abc import Callable

from payments.sandbox.calls import Calls

LONGEST_SLEEP_SECONDS = 30.0
AFTER_AN_ERROR_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Background(threading.Thread):
    """`work` does what is due now and says in how many seconds it wants to be asked again; news wakes it earlier."""

    def __init__(self, name: str, calls: Calls, work: Callable[[], float]) -> None:
        super().__init__(name=name, daemon=True)
        self._calls = calls
        self._work = work
        self._wake = calls.wake_of(name)

    def run(self) -> None:
        while not self._calls.stopping.is_set():
            # Cleared before the work looks, so that news during the work is not slept through.
            self._wake.clear()
            if not self._calls.stopping.is_set():
                self._wake.wait(min(LONGEST_SLEEP_SECONDS, self._attempt()))

    def _attempt(self) -> float:
        try:
            return self._work()
        except Exception:
            logger.exception("%s stumbled", self.name)
            return AFTER_AN_ERROR_SECONDS
