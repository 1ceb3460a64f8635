"""Whatever is in the queue, a worker looks at a saga or at nothing, and lives."""

import pickle
from typing import Any
from uuid import uuid4

from tests.celery.shop import TASK, Shop


class Exploit:
    """What a pickle can do to whoever opens it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (SystemExit, ("a message was unpickled",))


def test_a_message_that_is_no_nudge_is_refused_and_the_worker_lives(shop: Shop, broker: str) -> None:
    headers = {"task": TASK, "id": str(uuid4())}
    shop.post(broker, b"{no json", "application/json", **headers)
    shop.post(broker, b"[[[], {}", "application/json", **headers)
    shop.post(broker, b'{"an": "object"}', "application/json")
    shop.post(broker, pickle.dumps(([Exploit()], {}, {})), "application/x-python-serialize", **headers)
    shop.post(broker, b"\xff\xfe", "text/plain")
    shop.send(broker, str(uuid4()), task="payments.tasks.pay_out")
    shop.send(broker)
    shop.send(broker, str(uuid4()), "one more")
    shop.send(broker, str(uuid4()), amount=5000)
    garbage: Any
    for garbage in ("", "saga_01", "x" * 100_000, 5, None, [], {"saga": 1}, str(uuid4())):
        shop.send(broker, garbage)
    saga = shop.begin()
    shop.nudge(broker, saga)

    with shop.worker(broker, sweeps=False) as worker:
        shop.wait_until_done(saga.order)

    assert worker.returncode == 0
