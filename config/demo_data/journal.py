"""Has the sandbox remember the demo's past; what it answers is what the database is filled with, to the microsecond."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from django.conf import settings
from urllib3.exceptions import HTTPError

from config.supervisor import end_with_parent

PATIENCE_SECONDS: Final = 10
"""How long a sandbox on another machine may take to come up."""
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

Json = dict[str, Any]


class SandboxError(Exception):
    """The sandbox cannot be told; the message says why."""


def remember(charges: Sequence[Json]) -> list[Json]:
    """Write past charges into the sandbox's journal and return them as it has them, in the same order.

    A charge that was written before, under the same `idempotency_key`, is returned as it was written then.
    """
    with _sandbox() as url:
        try:
            answer = urllib3.request("POST", f"{url}/history", json={"charges": list(charges)}, timeout=30.0)
            written: list[Json] = answer.json()["charges"]
        except (HTTPError, ValueError, LookupError) as error:
            raise SandboxError(f"the sandbox gateway at {url} does not take a history") from error
    return written


@contextmanager
def _sandbox() -> Iterator[str]:
    """The address of the running sandbox; where none runs yet on this machine, of a short-lived one on its journal."""
    url = settings.SANDBOX_GATEWAY_URL
    is_local = urlsplit(url).hostname in LOOPBACK
    if _answers(url, patience=0 if is_local else PATIENCE_SECONDS):
        yield url
    elif is_local:
        with _short_lived() as started:
            yield started
    else:
        raise SandboxError(f"no sandbox gateway answers at {url}")


def _answers(url: str, *, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while True:
        try:
            return urllib3.request("GET", f"{url}/healthz", timeout=3.0, retries=False).status == 200
        except HTTPError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.5)


@contextmanager
def _short_lived() -> Iterator[str]:
    journal = settings.SANDBOX_JOURNAL
    command = [sys.executable, "-m", "payments.sandbox", "--port", "0", "--journal", journal, "--webhook-url", ""]
    process = subprocess.Popen(
        command,
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: end_with_parent(signal.SIGTERM),
    )
    with process:
        try:
            url = process.stdout.readline().rpartition(" ")[2].strip() if process.stdout else ""
            if not url:
                raise SandboxError(f"the sandbox gateway cannot be started on {journal}")
            yield url
        finally:
            process.terminate()
