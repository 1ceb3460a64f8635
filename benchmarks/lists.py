"""The first page of ten million charges beside a page far behind it, over HTTP."""

import contextlib
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3

from benchmarks import places, processes, serving
from benchmarks.load import Clients
from tests.services import Service

CHARGES: Final = 10_000_000
DEEP: Final = 100_000
"""The page whose number this is, as they were counted before there were cursors."""
ROWS: Final = 20
"""On a page."""
READS: Final = 200
WARM_UP: Final = 50


@dataclass(frozen=True)
class Size:
    """So many charges of one order; each page is read so many times a round, by so many clients at once."""

    charges: int
    clients: int
    rounds: int

    @property
    def deep(self) -> int:
        """The number of the far page, or of the last one where there are not that many."""
        return min(DEEP, self.charges // ROWS)


def measure(postgresql: Service, size: Size) -> dict[str, Any]:
    """Milliseconds of either page, the medians of all rounds."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="paydesk-bench-")))
        url = stack.enter_context(places.database(postgresql, "lists"))
        [port] = serving.free_ports(1)
        env = serving.production(url, None, port=port, processes=1, SANDBOX_WEBHOOK_SECRETS="whsec_none")
        filled = processes.speak("benchmarks.charges", str(size.charges), str((size.deep - 1) * ROWS), env=env)
        stack.enter_context(serving.server(serving.WEB, port, env, folder / "web.log"))
        pages = _rounds(f"http://127.0.0.1:{port}", filled, size)
    return {"charges": size.charges, "deep": size.deep, **pages}


def _rounds(url: str, filled: dict[str, str], size: Size) -> dict[str, dict[str, float]]:
    http = urllib3.PoolManager(maxsize=size.clients, block=True, retries=False, timeout=300.0)
    headers = {"Authorization": f"Bearer {filled['token']}"}

    def read(path: str) -> None:
        answer = http.request("GET", url + path, headers=headers)
        assert answer.status == 200, answer.data
        assert len(answer.json()["results"]) == ROWS

    loads: dict[str, list[Any]] = {"first_page": [], "deep_page": []}
    addresses = {"first_page": filled["first"], "deep_page": filled["deep"]}
    with Clients(size.clients) as clients:
        for address in addresses.values():
            clients.drive(read, [address] * WARM_UP)
        for _ in range(size.rounds):
            for name, address in addresses.items():
                loads[name].append(clients.drive(read, [address] * READS))
    return {
        name: {f"p{at}_ms": statistics.median(load.percentile(at) for load in found) for at in (50, 95)}
        for name, found in loads.items()
    }
