"""A process may die at any moment: what it began is finished by another, and done once."""

import os
import signal
import time

from config.demo.registry import require_equal, scenario
from config.demo.shop import Json, Shop, eventually, said

TEE = 25_00
LATENCY_SECONDS = 2
"""How long the gateway keeps the capture waiting: long enough to be killed meanwhile, shorter than any timeout."""


@scenario(9)
def worker_killed_in_mid_saga(shop: Shop) -> list[str]:
    """SIGKILL while the capture is under way: the gateway does it, the next worker finds it and never repeats it."""
    order, worker = shop.place_order(), shop.stack.worker_pid
    with shop.fault("latency", operation="capture", times=1, seconds=LATENCY_SECONDS):
        answer = shop.check_out(order, Prefer="respond-async")
        require_equal("the checkout's answer", said(answer), "202")
        saga = str(answer.json()["saga"]["id"])
        _wait_until_capturing(shop, saga)
        require_equal("captured before the worker was killed", shop.moved(order, "capture"), [])
        os.kill(worker, signal.SIGKILL)
    killed_at = time.monotonic()

    successor = _successor(shop, worker)
    require_equal("the order", shop.settled(order)["status"], "completed")
    seconds = time.monotonic() - killed_at

    _require_done_once(shop, order, saga)
    return [
        f"worker {worker} was killed while it captured",
        f"worker {successor} finished the saga {seconds:.0f} s later; captured once",
    ]


def _wait_until_capturing(shop: Shop, saga: str) -> None:
    """The step is committed before the call leaves: a moment later the call is on its way."""
    eventually(
        lambda: shop.get(f"/v1/sagas/{saga}")["steps"],
        _is_capturing,
        otherwise="the worker did not come to the capture",
    )
    time.sleep(0.3)


def _is_capturing(steps: list[Json]) -> bool:
    return any((step["name"], step["state"]) == ("capture_payment", "started") for step in steps)


def _successor(shop: Shop, worker: int) -> int:
    pid: int = eventually(
        lambda: shop.stack.worker_pid, lambda found: found != worker, otherwise="the worker was not started again"
    )
    return pid


def _require_done_once(shop: Shop, order: str, saga: str) -> None:
    require_equal("the saga", shop.get(f"/v1/sagas/{saga}")["state"], "completed")
    require_equal("captured by the journal", shop.moved(order, "capture"), [TEE])
    require_equal("parcels in the journal", len(shop.moved(order, "ship")), 1)
    charge = shop.charge(order)
    require_equal("the charge", (charge["status"], charge["amount_captured"]), ("captured", TEE))
