"""Web servers as processes that can be killed, and a client that asks several of them at once."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Self

import urllib3

from tests.processes import PATIENCE_SECONDS, WEB_SERVER, free_port, wait_until
from tests.sandbox import ROOT


class WebServer:
    """A gunicorn with one worker, in a process group of its own. A context manager; started again, on the same port."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        # As many threads as a test has requests at once: none of them waits for a turn.
        self._environment = {**environment, "PORT": str(port), "WEB_CONCURRENCY": "1", "WEB_THREADS": "64"}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # gunicorn's quick way to end
            self._process.wait(PATIENCE_SECONDS)

    def start(self) -> Self:
        environment = {**self._environment, "LOG_LEVEL": "ERROR"}
        self._process = subprocess.Popen(
            WEB_SERVER, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        wait_until(self._answers)
        return self

    def kill(self) -> None:
        """SIGKILL to master and worker at once."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE_SECONDS)
        self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the web server did not start"
        try:
            return urllib3.request("GET", f"{self.url}/healthz", retries=False, timeout=5.0).status == 200
        except urllib3.exceptions.HTTPError:
            return False


def post(url: str, body: Any, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
    """On a connection of its own. Raises urllib3's errors when the server goes away."""
    return urllib3.request("POST", url, json=body, headers=dict(headers), retries=False, timeout=60.0)


def post_at_once(
    urls: Sequence[str], body: Any, headers: Mapping[str, str], *, times: int
) -> list[urllib3.BaseHTTPResponse]:
    """The same request so many times, to the addresses in turns, all sent in the same moment."""
    barrier = Barrier(times)

    def send(number: int) -> urllib3.BaseHTTPResponse:
        barrier.wait()
        return post(urls[number % len(urls)], body, headers)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(send, range(times)))
