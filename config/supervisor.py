"""Keeps child processes running until it is told to stop; when it is killed itself, they end with it."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import Final

TICK_SECONDS: Final = 0.1
STOP_SECONDS: Final = 15
"""More than a request or a saga step takes; what has not ended by then is killed, which a crash could do as well."""
SHORT_LIFE_SECONDS: Final = 10
"""More than the five seconds for which gunicorn tries to get its port."""
SHORT_LIVES: Final = 3
PR_SET_PDEATHSIG: Final = 1


class SupervisionError(Exception):
    """A child cannot be kept running; the message says which and how it ended."""


class StopRequest:
    """Counts the signals that ask for an end; also true once the parent is gone, whose Ctrl-C would never come."""

    def __init__(self) -> None:
        self.signals = 0
        self._parent = os.getppid()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, self._note)

    def __bool__(self) -> bool:
        return self.signals > 0 or os.getppid() != self._parent

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.signals += 1


class Child:
    """One process, started again when it ends: `say` is told, and repeated short lives are a fault."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = self._start_at = 0.0
        self._short_lives = 0

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def keep_alive(self, now: float) -> None:
        """Start it when that is due; raise SupervisionError after too many short lives in a row. `now` is monotonic."""
        if self._process and self._process.poll() is not None:
            self._note_end(self._process.returncode, now)
        if not self._process and now >= self._start_at:
            self._process = start(self._command, self._environment)
            self._started_at = now

    def terminate(self) -> None:
        if self._process and self.is_running:
            self._process.terminate()

    def kill(self) -> None:
        """Also when it has ended: leaves no zombie."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def _note_end(self, code: int, now: float) -> None:
        self._process = None
        was_killed = code in (-signal.SIGKILL, -signal.SIGTERM)
        is_short = not was_killed and now - self._started_at < SHORT_LIFE_SECONDS
        self._short_lives = self._short_lives + 1 if is_short else 0
        ending = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
        if self._short_lives == SHORT_LIVES:
            raise SupervisionError(f"{self.name} {ending}, {SHORT_LIVES} times in a row; it says why above")
        delay = 0.25 * 4**self._short_lives
        self._start_at = now + delay
        self._say(f"{self.name} {ending}; starting it again in {delay:g} s")


def start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process in this process group that hears of an end from its supervisor alone."""
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, preexec_fn=_depend_on_supervisor)


def supervise(groups: Sequence[Sequence[Child]], stop: StopRequest, tick: Callable[[], None]) -> None:
    """Keep all children alive until `stop` is true, then end one group after the other."""
    try:
        while not stop:
            for child in _all(groups):
                child.keep_alive(time.monotonic())
            tick()
            time.sleep(TICK_SECONDS)
    finally:
        for group in groups:
            _end(group, stop)


def _all(groups: Sequence[Sequence[Child]]) -> list[Child]:
    return [child for group in groups for child in group]


def _end(group: Sequence[Child], stop: StopRequest) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    for child in group:
        child.terminate()
    while any(child.is_running for child in group) and time.monotonic() < deadline and stop.signals < 2:
        time.sleep(TICK_SECONDS)
    for child in group:
        child.kill()


def _depend_on_supervisor() -> None:
    """Between fork and exec. Ctrl-C reaches the whole process group: the supervisor alone decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(signal.SIGTERM)


def end_with_parent(number: signal.Signals) -> None:
    """Have Linux send this process a signal when its parent dies, even by SIGKILL; elsewhere it becomes an orphan."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
