"""Counts what a warm checkout, its replay and the reference request send to the database, and says it as JSON.

In-process, because only the one who sends it can tell a commit that wrote from a read that commits by itself.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import django

from benchmarks import shopping

WARM_UP = 3
CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


def main() -> None:
    django.setup()
    from django.test import Client

    client = Client(headers={"Authorization": f"Bearer {os.environ['BENCHMARK_TOKEN']}", "Host": "127.0.0.1"})
    for number in range(WARM_UP):
        checked_out = _count(client, _place(client, f"warm-up-{number}"))
    print(json.dumps(checked_out))


def _place(client: Any, key: str) -> str:
    answer = client.post("/v1/orders", shopping.order(0) | _customer(key), "application/json", headers=_key(key))
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def _customer(key: str) -> dict[str, Any]:
    return {"customer": {"id": key, "email": "statements@example.com"}}


def _key(key: str) -> Mapping[str, str]:
    return {"Idempotency-Key": key}


def _count(client: Any, order: str) -> dict[str, Any]:
    path = f"/v1/orders/{order}"

    def check_out() -> Any:
        return client.post(f"{path}/checkout", shopping.CARD, "application/json", headers=_key(order))

    checkout, sent = _sent(check_out)
    assert checkout.status_code == 201, checkout.content
    replay, sent_by_replay = _sent(check_out)
    assert replay["Idempotent-Replayed"] == "true", replay.content
    read, sent_by_read = _sent(lambda: client.get(path))
    assert read.status_code == 200, read.content
    counted = {"checkout": sent, "replay": sent_by_replay, "reference": sent_by_read}
    return {name: _counted(statements) for name, statements in counted.items()}


def _sent(request: Any) -> tuple[Any, list[str]]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        answer = request()
    return answer, [query["sql"] for query in captured]


def _counted(sent: list[str]) -> dict[str, Any]:
    statements = [text for text in sent if not text.startswith(CONTROL)]
    return {"commits": sent.count("COMMIT"), "statements": len(statements), "sql": sent}


if __name__ == "__main__":
    main()
