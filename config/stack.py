"""`make run`: prepares the database, then runs the web server, the worker and the sandbox gateway as one command.

No management command: the supervisor outlives its children, so it carries no more than the settings, and nothing of
Django's that could take part in their faults.
"""

import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from django.core.exceptions import ImproperlyConfigured

from config.supervisor import TICK_SECONDS, Child, StopRequest, SupervisionError, start, supervise

HOST: Final = "127.0.0.1"
MANAGE: Final = (sys.executable, str(Path(__file__).resolve().parent.parent / "manage.py"))
PORT_SECONDS: Final = 3
"""How long a port may stay taken: what a killed run left behind needs a moment to notice and to end."""


class StackError(Exception):
    """Paydesk cannot be started; the message says why."""


def main() -> int:
    stop = StopRequest()
    try:
        port, sandbox_port = _ports()
        _wait_until_free("PORT", port, stop)
        _wait_until_free("SANDBOX_PORT", sandbox_port, stop)
        environment = _environment()
        _prepare(environment, stop)
        supervise(_children(port, sandbox_port, environment), stop, _announcement(port, sandbox_port))
    except (ImproperlyConfigured, StackError, SupervisionError) as error:
        print(f"paydesk: {error}", file=sys.stderr, flush=True)
        return 1
    _say("stopped")
    return 0


def _say(line: str) -> None:
    print(f"paydesk: {line}", flush=True)


def _ports() -> tuple[int, int]:
    from config import settings  # their faults are said here, all at once

    if settings.SANDBOX_PORT == settings.PORT:
        raise StackError(f"PORT and SANDBOX_PORT are both {settings.PORT}")
    return settings.PORT, settings.SANDBOX_PORT


def _wait_until_free(name: str, port: int, stop: StopRequest) -> None:
    deadline = time.monotonic() + PORT_SECONDS
    while not stop and not _is_free(port):
        if time.monotonic() > deadline:
            raise StackError(f"port {port} is in use: end what listens there, or set {name} to another")
        time.sleep(TICK_SECONDS)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise StackError(f"port {port} needs root: choose one above 1023") from error
        except OSError:
            return False
    return True


def _environment() -> dict[str, str]:
    from config import settings

    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment["WEB_CONCURRENCY"] = str(settings.WEB_CONCURRENCY)  # gunicorn reads it too, and fails on an empty one
    return environment


def _prepare(environment: dict[str, str], stop: StopRequest) -> None:
    preparation = start([*MANAGE, "prepare"], environment)
    while preparation.poll() is None:
        if stop:
            preparation.terminate()
        time.sleep(TICK_SECONDS)
    if preparation.returncode and not stop:
        raise StackError("the database could not be prepared; the reason is above")


def _children(port: int, sandbox_port: int, environment: dict[str, str]) -> tuple[list[Child], list[Child]]:
    """What calls the gateway, and the gateway: ended in this order, so that no call under way loses its answer."""
    gunicorn = [sys.executable, "-m", "gunicorn", "config.wsgi", "-c", "python:config.gunicorn"]
    webhooks = f"http://{HOST}:{port}/v1/webhooks/sandbox"
    gateway = [*MANAGE, "sandbox_gateway", "--port", str(sandbox_port), "--webhook-url", webhooks]
    return (
        [
            Child("the web server", gunicorn, environment, _say),
            Child("the worker", [*MANAGE, "worker"], environment, _say),
        ],
        [Child("the sandbox gateway", gateway, environment, _say)],
    )


def _announcement(port: int, sandbox_port: int) -> Callable[[], None]:
    """Make what prints the addresses, once, as soon as both answer."""
    waiting = [port, sandbox_port]

    def announce() -> None:
        if waiting and all(_answers(each) for each in waiting):
            waiting.clear()
            _say(f"API       http://{HOST}:{port}/v1/ (documentation: http://{HOST}:{port}/v1/docs)")
            _say(f"admin     http://{HOST}:{port}/admin/")
            _say(f"sandbox   http://{HOST}:{sandbox_port}/journal")
            _say("ready; Ctrl-C stops it")

    return announce


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(TICK_SECONDS)
        return probe.connect_ex((HOST, port)) == 0


if __name__ == "__main__":
    sys.exit(main())
