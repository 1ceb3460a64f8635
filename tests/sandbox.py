"""A sandbox gateway as a process of its own, for tests that need one."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import urllib3

ROOT = Path(__file__).resolve().parent.parent
SECRET = "whsec_test"


class Sandbox:
    """One process with one journal. A context manager; `kill` and `start` again continue with the same journal."""

    def __init__(self, journal: Path, *, port: int = 0, webhook_url: str | None = None, secret: str = SECRET) -> None:
        self.journal_path = journal
        self.secret = secret
        self._port = port
        self._webhook_url = webhook_url
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.http = urllib3.PoolManager(maxsize=32, retries=False, timeout=10.0)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start the process and wait until it listens. A second start takes the first one's port."""
        command = [sys.executable, "-m", "payments.sandbox", "--port", str(self._port)]
        command += ["--journal", str(self.journal_path), "--webhook-secret", self.secret]
        command += ["--webhook-url", self._webhook_url] if self._webhook_url else []
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().rpartition(" ")[2].strip()
        assert self.url, "the sandbox did not start"
        self._port = int(self.url.rpartition(":")[2])
        return self

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self._end(is_kill=False)

    def kill(self) -> None:
        """SIGKILL: what a power cut leaves behind."""
        self._end(is_kill=True)

    def post(
        self, path: str, body: dict[str, Any] | None = None, *, key: str | None = None, patience: float = 10.0
    ) -> urllib3.BaseHTTPResponse:
        """Raises urllib3's errors when no answer comes within `patience` seconds."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.http.request("POST", self.url + path, json=body or {}, headers=headers, timeout=patience)

    def get(self, path: str, **query: str) -> urllib3.BaseHTTPResponse:
        return self.http.request("GET", self.url + path, fields=query)

    def journal(self, since: int = 0) -> list[dict[str, Any]]:
        """The entries with a greater sequence."""
        entries: list[dict[str, Any]] = self.get("/journal", since=str(since)).json()["entries"]
        return entries

    def effective(self, operation: str) -> list[dict[str, Any]]:
        """The calls of this operation that really did something."""
        return [
            e for e in self.journal() if (e["operation"], e["result"], e["replayed"]) == (operation, "succeeded", False)
        ]

    def fault(self, name: str, **how: Any) -> None:
        """`operation`, `times` and `seconds` as `payments.sandbox.faults` has them."""
        answer = self.post("/faults", {"fault": name, **how})
        assert answer.status == 201, answer.data

    def clear_faults(self) -> None:
        answer = self.http.request("DELETE", self.url + "/faults")
        assert answer.status == 200, answer.data

    def _end(self, *, is_kill: bool) -> None:
        self.http.clear()
        if self._process is None:
            return
        if is_kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.communicate(timeout=10)
        self._process = None
