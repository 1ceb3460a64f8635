"""Paydesk as it is run, for tests that need all of it: the web server and the worker, each a process of its own."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.sandbox import ROOT

WEB_SERVER = (sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn")
WORKER = (sys.executable, "manage.py", "worker", "--poll", "0.1")
CELERY_WORKER = (sys.executable, "-m", "celery", "-A", "config.celery", "worker", "--concurrency", "2")
PATIENCE_SECONDS = 60.0


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
def worker(environment: Mapping[str, str], *, command: tuple[str, ...] = WORKER) -> Iterator[None]:
    """Carries sagas on and acts on webhooks, as soon as it is up."""
    with _running(command, environment) as process:
        yield
        assert process.poll() is None, "the worker did not live to the end"


@contextmanager
def celery_worker(environment: Mapping[str, str], *, sweeps: bool = True) -> Iterator["subprocess.Popen[bytes]"]:
    """Takes nudges from the broker of `environment`, and carries on what is due without one, unless told not to."""
    with _running(CELERY_WORKER, {**environment, "CELERY_SWEEP": str(sweeps)}) as process:
        yield process


def wait_until(is_so: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"it did not come about within {seconds:g} s"
        time.sleep(0.05)


def children(pid: int) -> dict[int, str]:
    """The processes begun by a process that still run, and their command lines."""
    begun = [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]
    return {child: Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ") for child in begun}


def is_running(pid: int) -> bool:
    """Whether it has not ended; what nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


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
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
