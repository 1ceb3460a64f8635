"""`make run` itself as a child process, on a throw-away database and free ports, its output kept in a file."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import urllib3
from urllib3.exceptions import HTTPError

from config.supervisor import end_with_parent

ROOT: Final = Path(__file__).resolve().parents[2]
READY_SECONDS: Final = 60
STOP_SECONDS: Final = 30
"""More than the supervisor gives its children."""
HOST: Final = "127.0.0.1"


class StackFailed(Exception):
    """The stack does not run; the message holds its last words."""


class Stack:
    """A context manager: entered, everything answers; left, every process has ended."""

    def __init__(self, folder: Path) -> None:
        port, sandbox_port = _free_ports()
        self.url = f"http://{HOST}:{port}"
        self.sandbox_url = f"http://{HOST}:{sandbox_port}"
        self.database = folder / "paydesk.sqlite3"
        self._log = folder / "stack.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = _blank_environment() | {
            "APP_ENV": "dev",
            "DATABASE_URL": f"sqlite:///{self.database}",
            "SANDBOX_JOURNAL": str(folder / "sandbox.sqlite3"),
            "SANDBOX_GATEWAY_URL": self.sandbox_url,
            "PORT": str(port),
            "SANDBOX_PORT": str(sandbox_port),
            "LOG_FORMAT": "json",
        }

    def __enter__(self) -> Self:
        try:
            self._start()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def output(self) -> str:
        """All that the stack has written so far: the terminal of `make run`, logs and all."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def token(self) -> str:
        """The API token that the stack printed."""
        found = re.search(r"^API token +(\S+)$", self.output, re.MULTILINE)
        if not found:
            raise StackFailed(f"no API token was printed; {self._last_words()}")
        return found[1]

    @property
    def worker_pid(self) -> int:
        """The process id of the worker that was started last; 0 before the first."""
        started = [event for event in self.events() if event.get("event") == "worker_started"]
        return int(started[-1]["owner"].split(":")[-2]) if started else 0

    def events(self) -> list[dict[str, Any]]:
        """The log, line by line; what else was printed is left out."""
        found = []
        for line in self.output.splitlines():
            with suppress(ValueError):
                found.append(json.loads(line) if line.startswith("{") else None)
        return [event for event in found if event]

    def stop(self) -> None:
        """End the supervisor, which ends its children; being called again does no harm."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "config.stack"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: end_with_parent(signal.SIGTERM),
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not (self._answers() and self.worker_pid):
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise StackFailed(f"the stack did not start; {self._last_words()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        addresses = (f"{self.sandbox_url}/healthz", f"{self.url}/readyz")
        try:
            return all(urllib3.request("GET", url, retries=False, timeout=2.0).status == 200 for url in addresses)
        except HTTPError:
            return False

    def _last_words(self) -> str:
        return "its last lines were:\n" + "\n".join(self.output.splitlines()[-15:])


def _blank_environment() -> dict[str, str]:
    """This environment with every setting of Paydesk empty: absent, whatever the shell or a .env.dev says."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    names = re.findall(r"^(?:# ?)?([A-Z][A-Z0-9_]*)=", example, re.MULTILINE)
    names += ["DEMO_PASSWORD", "SANDBOX_WEBHOOK_URL"]
    files = {f"{name}_FILE" for name in names}
    return {name: value for name, value in os.environ.items() if name not in files} | dict.fromkeys(names, "")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind((HOST, 0))
        return one.getsockname()[1], other.getsockname()[1]
