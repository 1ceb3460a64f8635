"""Paydesk as it is run, for tests that need all of it: the web server and the worker, each a process of its own."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tests.sandbox import ROOT

WEB_SERVER = (sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn")
WORKER = (sys.executable, "manage.py", "worker", "--poll", "0.1")
PATIENCE_SECONDS = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def web_server(environment: Mapping[str, str], *, port: int = 0, processes: int = 1) -> Iterator[str]:
    """The address of a server that answers."""
    port = port or free_port()
    environment = {**environment, "PORT": str(port), "WEB_CONCURRENCY": str(processes)}
    # Gunicorn's quick way to end: its graceful one takes seconds, with nothing in hand too.
    with _running(WEB_SERVER, environment, end=signal.SIGQUIT) as process:
        wait_until(lambda: process.poll() is not None or _answers(port))
        assert process.poll() is None, "the web server did not start"
        yield f"http://127.0.0.1:{port}"


@contextmanager
def worker(environment: Mapping[str, str]) -> Iterator[None]:
    """Carries sagas on and acts on webhooks, as soon as it is up."""
    with _running(WORKER, environment) as process:
        yield
        assert process.poll() is None, "the worker did not live to the end"


def wait_until(is_so: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"it did not come about within {seconds:g} s"
        time.sleep(0.05)


@contextmanager
def _running(
    command: tuple[str, ...], environment: Mapping[str, str], *, end: signal.Signals = signal.SIGTERM
) -> Iterator["subprocess.Popen[bytes]"]:
    quiet = {**environment, "LOG_LEVEL": "ERROR"}
    process = subprocess.Popen(command, cwd=ROOT, env=quiet, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(end)
        process.wait(PATIENCE_SECONDS)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
