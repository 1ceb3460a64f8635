"""The servers and processes of a chaos run: all of Paydesk, kept running whatever is done to it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from config.supervisor import end_with_parent
from tests.processes import WEB_SERVER, free_port, wait_until
from tests.sandbox import ROOT, SECRET, Sandbox
from tests.services import Service, ServiceError, redis_server, throwaway_postgresql

DURABLE_AND_FAST: Final = {"fsync": "off", "full_page_writes": "off"}
"""Here PostgreSQL is killed too: what is committed has to stand then. The machine itself is not."""
LEASE_SECONDS: Final = 4.0
SETTINGS: Final = {
    "APP_ENV": "dev",
    "GATEWAY_TIMEOUT_SECONDS": "0.8",
    "SAGA_LEASE_SECONDS": str(LEASE_SECONDS),
    "SETTLE_DELAY_SECONDS": "0.5",
    "CHECKOUT_WAIT_SECONDS": "2",
    "SANDBOX_WEBHOOK_SECRETS": SECRET,
    "CARD_TESTING_DECLINES": "1000000",
    "RATE_LIMIT_PER_TOKEN": "1000000/min",
    "RATE_LIMIT_PER_ADDRESS": "1000000/min",
    "LOG_LEVEL": "WARNING",
    "PYTHONUNBUFFERED": "1",
}
"""What is short makes the run short: leases lapse in seconds, and the gateway is not waited for long."""
TICK_SECONDS: Final = 0.1


class Kept:
    """One process, started again whenever it ends. What it says goes to `log`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> None:
        self._command = command
        self._environment = environment
        self._log = log
        self.starts = 0
        self.process = self._start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def children(self) -> list[int]:
        with suppress(OSError):
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        return []

    def keep(self) -> None:
        if self.process.poll() is not None:
            self.process = self._start()

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        self.starts += 1
        return subprocess.Popen(
            self._command, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=self._log,
            stderr=self._log, preexec_fn=lambda: end_with_parent(signal.SIGTERM),
        )  # fmt: skip


class Site:
    """`url` is the API's address. `database` and `redis` are the servers; without PostgreSQL there is a SQLite file."""

    def __init__(self, folder: Path, database: Service | None, redis: Service | None) -> None:
        self.folder = folder
        self.database = database
        self.redis = redis
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.sandbox = Sandbox(folder / "journal.sqlite3", webhook_url=f"{self.url}/v1/webhooks/sandbox")
        self.sandbox_lock = threading.Lock()
        self.web: Kept | None = None
        self.workers: list[Kept] = []
        self._is_kept = threading.Event()

    @property
    def environment(self) -> dict[str, str]:
        """For every process of Paydesk, this one included."""
        names = re.findall(r"^(?:# ?)?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
        here = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in names}
        where = {
            "DATABASE_URL": self.database.url if self.database else f"sqlite:///{self.folder / 'paydesk.sqlite3'}",
            "REDIS_URL": self.redis.url if self.redis else "",
            "SANDBOX_GATEWAY_URL": self.sandbox.url,
            "SANDBOX_JOURNAL": str(self.sandbox.journal_path),
            "PORT": str(self._port),
            "WEB_CONCURRENCY": "2" if self.database else "1",
        }
        return {**here, **dict.fromkeys(names, ""), **SETTINGS, **where}

    @contextmanager
    def running(self) -> Iterator[None]:
        """All of it, each part started again when it ends."""
        worker = [sys.executable, "manage.py", "worker", "--poll", "0.1", "--job-interval", "5"]
        with (self.folder / "log").open("ab") as log:
            self.web = Kept(WEB_SERVER, self.environment, log)
            self.workers = [Kept(worker, self.environment, log) for _ in range(2)]
            keeper = threading.Thread(target=self._keep)
            self._is_kept.set()
            keeper.start()
            try:
                wait_until(self.answers, seconds=60)
                yield
            finally:
                self._is_kept.clear()
                keeper.join()
                self.web.end(signal.SIGQUIT)
                for kept in self.workers:
                    kept.end(signal.SIGTERM)

    def answers(self) -> bool:
        with suppress(Exception):
            return self.sandbox.http.request("GET", f"{self.url}/healthz", timeout=2.0).status == 200
        return False

    def _keep(self) -> None:
        while self._is_kept.is_set():
            for kept in filter(None, [self.web, *self.workers]):
                kept.keep()
            time.sleep(TICK_SECONDS)


@contextmanager
def site(folder: Path, *, on_sqlite: bool) -> Iterator[Site]:
    """Servers of its own and a sandbox; Paydesk is not running yet."""
    with ExitStack() as stack:
        database = redis = None
        if not on_sqlite:
            database = stack.enter_context(throwaway_postgresql(DURABLE_AND_FAST))
            if database is None:
                raise ServiceError("no PostgreSQL was found: install it, or run on SQLite")
            redis = stack.enter_context(redis_server({}))
        place = Site(folder, database, redis)
        stack.enter_context(place.sandbox)
        yield place
