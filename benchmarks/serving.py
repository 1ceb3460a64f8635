"""The servers of a benchmark: with production's settings, each a process of its own, waited for until it answers."""

import secrets
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.processes import BenchmarkError, environment, running
from tests.services import Service

WEB: Final = (sys.executable, "-m", "gunicorn", "config.wsgi", "-c", "python:config.gunicorn")
READY_SECONDS: Final = 30


def production(url: str, redis: Service | None, *, port: int, processes: int, **settings: str) -> dict[str, str]:
    """Production's settings, without TLS in front."""
    return environment(
        APP_ENV="prod",
        DJANGO_SETTINGS_MODULE="config.settings",
        SECRET_KEY=secrets.token_urlsafe(64),
        ALLOWED_HOSTS="127.0.0.1",
        HTTPS_ONLY="false",
        PORT=str(port),
        WEB_CONCURRENCY=str(processes),
        DATABASE_URL=url,
        REDIS_URL=redis.url if redis else "",
        RATE_LIMIT_PER_TOKEN="1000000/second",
        RATE_LIMIT_PER_ADDRESS="1000000/second",
        **settings,
    )


@contextmanager
def server(command: Sequence[str], port: int, env: Mapping[str, str], log: Path) -> Iterator[int]:
    """The process id of a server that answers."""
    with running(command, env=env, log=log) as pid:
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(port):
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{log.stem} did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield pid


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
