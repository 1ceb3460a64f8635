"""Checkouts over HTTP: the project's own gunicorn, PostgreSQL, Redis and the sandbox, each a process of its own."""

import contextlib
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3

from benchmarks import places, processes, serving, shopping
from benchmarks.load import Clients
from benchmarks.processes import cpu_between, cpu_seconds
from tests.services import Service

SECRET: Final = "whsec_benchmark"
WARM_UP: Final = 40
READS: Final = 4
"""The reference is a few times faster: so many of it are as long as one checkout, roughly."""

Figures = dict[str, float]


@dataclass(frozen=True)
class Size:
    """How much is measured: `checkouts` a round, by so many `clients` at once; `processes` are the web server's."""

    processes: int
    clients: int
    rounds: int
    checkouts: int


def measure(postgresql: Service, redis: Service | None, size: Size) -> dict[str, Any]:
    """The medians of all rounds, of checkouts, replays and the reference, and what they send to the database."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="paydesk-bench-")))
        url = stack.enter_context(places.database(postgresql, "checkouts"))
        ports = serving.free_ports(2)
        env = serving.production(
            url, redis, port=ports[0], processes=size.processes,
            SANDBOX_GATEWAY_URL=f"http://127.0.0.1:{ports[1]}", SANDBOX_WEBHOOK_SECRETS=SECRET,
        )  # fmt: skip
        sandbox = stack.enter_context(serving.server(_sandbox(ports[1], folder), ports[1], env, folder / "sandbox.log"))
        token = processes.speak("benchmarks.seed", env=env)["token"]
        counted = processes.speak("benchmarks.statements", env=env | {"BENCHMARK_TOKEN": token})
        web = stack.enter_context(serving.server(serving.WEB, ports[0], env, folder / "web.log"))
        meter = _Meter(web, sandbox, postgresql, url)
        shop = _Shop(f"http://127.0.0.1:{ports[0]}", token, size.clients)
        measured = _rounds(shop, meter, size)
    return {name: {**measured[name], **counted[name]} for name in measured}


def _sandbox(port: int, folder: Path) -> list[str]:
    command = [sys.executable, "-m", "payments.sandbox", "--port", str(port)]
    return [*command, "--journal", str(folder / "sandbox.sqlite3"), "--webhook-secret", SECRET]


class _Shop:
    """A client of the API with kept-alive connections."""

    def __init__(self, url: str, token: str, connections: int) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http = urllib3.PoolManager(maxsize=connections, block=True, retries=False, timeout=30.0)
        self._placed = 0

    def place(self, number: int) -> list[str]:
        """The paths of so many new orders."""
        first, self._placed = self._placed, self._placed + number
        orders = (self._post("/v1/orders", shopping.order(n), key=f"order-{n}") for n in range(first, self._placed))
        return [f"/v1/orders/{order['id']}" for order in orders]

    def check_out(self, path: str) -> None:
        answer = self._post(f"{path}/checkout", shopping.CARD, key=path)
        assert answer["order"]["status"] == "completed", answer

    def replay(self, path: str) -> None:
        """The same checkout once more: it gets the answer of before."""
        headers = {**self._headers, "Idempotency-Key": path}
        answer = self._http.request("POST", f"{self._url}{path}/checkout", json=shopping.CARD, headers=headers)
        assert answer.headers.get("Idempotent-Replayed") == "true", answer.data

    def read(self, path: str) -> None:
        answer = self._http.request("GET", self._url + path, headers=self._headers)
        assert answer.status == 200, answer.data

    def _post(self, path: str, body: dict[str, Any], *, key: str) -> dict[str, Any]:
        headers = {**self._headers, "Idempotency-Key": key}
        answer = self._http.request("POST", self._url + path, json=body, headers=headers)
        assert answer.status == 201, answer.data
        parsed: dict[str, Any] = answer.json()
        return parsed


class _Meter:
    """Adds to a load what CPU time each kind of process took for it."""

    def __init__(self, web: int, sandbox: int, postgresql: Service, url: str) -> None:
        self._kinds: dict[str, Callable[[], list[int]]] = {
            "web": lambda: processes.family(web),
            "sandbox": lambda: processes.family(sandbox),
            "postgresql": lambda: places.backends(postgresql, url),
        }

    def measure(self, clients: Clients, work: Callable[[str], None], paths: Sequence[str]) -> Figures:
        before = self._times()
        load = clients.drive(work, paths)
        after = self._times()
        cpu = {kind: cpu_between(before[kind], after[kind]) / load.done * 1000 for kind in after if after[kind]}
        figures = {"rate": load.rate, "p50_ms": load.percentile(50), "p95_ms": load.percentile(95)}
        return figures | {f"{kind}_cpu_ms": milliseconds for kind, milliseconds in cpu.items()}

    def _times(self) -> dict[str, dict[int, float]]:
        return {kind: cpu_seconds(pids()) for kind, pids in self._kinds.items()}


def _rounds(shop: _Shop, meter: _Meter, size: Size) -> dict[str, Figures]:
    checkouts, replays, reads = [], [], []
    with Clients(size.clients) as clients:
        clients.drive(shop.check_out, shop.place(WARM_UP))
        for _ in range(size.rounds):
            paths = shop.place(size.checkouts)
            checkouts.append(meter.measure(clients, shop.check_out, paths))
            reads.append(meter.measure(clients, shop.read, paths * READS))
            replays.append(meter.measure(clients, shop.replay, paths * READS))
    return {"checkout": _medians(checkouts), "replay": _medians(replays), "reference": _medians(reads)}


def _medians(rounds: list[Figures]) -> Figures:
    return {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
