"""Several processes ask a gateway that has died: one breaker opens, and one of them at a time finds out."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Thread
from time import monotonic, sleep

import pytest

PROCESSES = 4
FAILURES = 5
PAUSE = 0.5
SECONDS = 7.0
SLACK = 0.1

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class DyingGateway:
    """Accepts, holds the line for a moment, hangs up; and keeps when."""

    url: str
    calls: list[tuple[float, float]] = field(default_factory=list)

    def answer(self, line: socket.socket, held_for: float) -> None:
        began = monotonic()
        sleep(held_for)
        line.close()
        self.calls.append((began, monotonic()))


@contextmanager
def dying_gateway(*, held_for: float) -> Iterator[DyingGateway]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        gateway = DyingGateway(f"http://127.0.0.1:{server.getsockname()[1]}")

        def listen() -> None:
            while True:
                try:
                    line, _address = server.accept()
                except OSError:
                    return
                Thread(target=gateway.answer, args=[line, held_for], daemon=True).start()

        Thread(target=listen, daemon=True).start()
        yield gateway
        server.shutdown(socket.SHUT_RDWR)


def start(environment: dict[str, str], url: str, **settings: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.payments.gateways.hammer", str(SECONDS)]
    chosen = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SANDBOX_GATEWAY_URL": url,
        "GATEWAY_TIMEOUT_SECONDS": "1",
        "GATEWAY_BREAKER_FAILURES": str(FAILURES),
        "GATEWAY_BREAKER_SECONDS": str(PAUSE),
        "LOG_LEVEL": "ERROR",
    }
    return subprocess.Popen(command, env=environment | chosen | settings)


@pytest.fixture(params=["", "redis"])
def environment(request: pytest.FixtureRequest, process_environment: dict[str, str]) -> dict[str, str]:
    if request.param and not process_environment["REDIS_URL"]:
        pytest.skip("there is no Redis in this run")
    return process_environment if request.param else process_environment | {"REDIS_URL": ""}


def test_four_processes_open_one_breaker_and_send_one_probe_at_a_time(environment: dict[str, str]) -> None:
    with dying_gateway(held_for=0.05) as gateway:
        processes = [start(environment, gateway.url) for _ in range(PROCESSES)]
        for process in processes:
            assert process.wait(60) == 0

    calls = sorted(gateway.calls)
    before_it_opened = FAILURES + PROCESSES - 1  # each of the others may have had one under way
    probes = calls[before_it_opened:]
    assert FAILURES < len(calls) <= before_it_opened + 5
    late = calls[FAILURES - 1 :]
    gaps = [later[0] - earlier[1] for earlier, later in pairwise(late) if later[0] > earlier[1]]
    pauses = [gap for gap in gaps if gap > PAUSE - SLACK]
    assert len(pauses) >= 2
    assert all(later > 2 * earlier - SLACK for earlier, later in pairwise(pauses))
    assert all(earlier[1] < later[0] for earlier, later in pairwise(probes))


def test_when_the_prober_is_killed_another_finds_out_after_its_lease(environment: dict[str, str]) -> None:
    with dying_gateway(held_for=0.6) as gateway:
        first = start(environment, gateway.url, GATEWAY_BREAKER_FAILURES="1")
        wait_for_calls(gateway, 1)
        sleep(PAUSE + 0.3)  # its probe is under way, for half a second
        first.kill()
        first.wait(10)
        killed_at = monotonic()
        second = start(environment, gateway.url, GATEWAY_BREAKER_FAILURES="1")
        second.wait(60)

    after = [began for began, _ended in sorted(gateway.calls) if began > killed_at]
    lease = 4.0
    assert after
    assert lease - 1.5 < after[0] - killed_at < lease + 1


def wait_for_calls(gateway: DyingGateway, count: int) -> None:
    deadline = monotonic() + 20
    while len(gateway.calls) < count and monotonic() < deadline:
        sleep(0.01)
