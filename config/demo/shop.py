"""A client of the API, as anybody could write one, and the sandbox's journal beside it as the witness."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

import urllib3

from config.demo.registry import Unexpected, require
from config.demo.stack import Stack

PATIENCE_SECONDS: Final = 30
"""Within which, by promise, a saga whose process died goes on."""
UNSETTLED: Final = frozenset({"processing", "requires_action", "in_review"})

Json = dict[str, Any]
Answer = urllib3.BaseHTTPResponse


class Shop:
    """Sells things over HTTP."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._token = stack.token
        self._http = urllib3.PoolManager(retries=False, timeout=20.0)
        self._before = max((entry["sequence"] for entry in self._entries(0)), default=0)

    def call(self, method: str, path: str, body: Json | None = None, **headers: str) -> Answer:
        """`headers` are written with underscores: `Idempotency_Key`."""
        sent = {"Authorization": f"Bearer {self._token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self._http.request(method, self.stack.url + path, json=body, headers=sent)

    def get(self, path: str) -> Json:
        answer = self.call("GET", path)
        require(answer.status == 200, f"GET {path} was answered with {said(answer)}")
        found: Json = answer.json()
        return found

    def place_order(
        self,
        sku: str = "TEE",
        *,
        quantity: int = 1,
        email: str = "ada@example.com",
        postal_code: str = "10001",
        unit_amount: int = 25_00,
    ) -> str:
        """The id of a new order, of a customer of its own: nobody's velocity counts for another."""
        address = {"country": "US", "postal_code": postal_code}
        order = {
            "currency": "USD",
            "customer": {"id": f"cus_{uuid4().hex}", "email": email},
            "lines": [{"sku": sku, "quantity": quantity, "unit_amount": unit_amount}],
            "billing": address,
            "shipping": address,
        }
        answer = self.call("POST", "/v1/orders", order, Idempotency_Key=new_key())
        require(answer.status == 201, f"placing an order was answered with {said(answer)}")
        return str(answer.json()["id"])

    def check_out(self, order: str, payment_method: str = "tok_visa", *, key: str = "", **headers: str) -> Answer:
        path, body = f"/v1/orders/{order}/checkout", {"payment_method": payment_method}
        return self.call("POST", path, body, Idempotency_Key=key or new_key(), **headers)

    def final_answer(self, order: str, payment_method: str = "tok_visa", *, key: str = "") -> Answer:
        """Check out as a patient client does: as long as the answer is "not yet", ask again under the same key."""
        key = key or new_key()
        answer: Answer = eventually(
            lambda: self.check_out(order, payment_method, key=key),
            lambda given: said(given) not in ("202", "409 idempotency_in_flight"),
            otherwise=f"the checkout of {order} had no final answer",
        )
        return answer

    def settled(self, order: str) -> Json:
        """The order, once its checkout has come to an end."""
        found: Json = eventually(
            lambda: self.get(f"/v1/orders/{order}"),
            lambda look: look["status"] not in UNSETTLED,
            otherwise=f"the checkout of {order} did not come to an end",
        )
        return found

    def charge(self, order: str) -> Json:
        """The only charge attempt of an order."""
        charges = self.get(f"/v1/charges?order={order}")["results"]
        require(len(charges) == 1, f"the order has {len(charges)} charges instead of 1")
        found: Json = charges[0]
        return found

    def journal(self, order: str) -> list[Json]:
        """What the sandbox was asked about this order, every call, oldest first."""
        return [entry for entry in self._entries(self._before) if entry["order"] == order]

    def moved(self, order: str, operation: str) -> list[int | None]:
        """The amounts of the calls of this operation that really did something."""
        done = (operation, "succeeded", False)
        entries = self.journal(order)
        return [e["amount"] for e in entries if (e["operation"], e["result"], e["replayed"]) == done]

    @contextmanager
    def fault(self, name: str, **how: Any) -> Iterator[None]:
        """Inside, the sandbox has this fault; `how` are its `operation`, `times` and `seconds`."""
        url = f"{self.stack.sandbox_url}/faults"
        answer = self._http.request("POST", url, json={"fault": name, **how})
        require(answer.status == 201, f"the sandbox does not take the fault: {said(answer)}")
        try:
            yield
        finally:
            self._http.request("DELETE", url)

    def _entries(self, since: int) -> list[Json]:
        answer = self._http.request("GET", f"{self.stack.sandbox_url}/journal", fields={"since": str(since)})
        entries: list[Json] = answer.json()["entries"]
        return entries


def new_key() -> str:
    return f"demo-{uuid4()}"


def said(answer: Answer) -> str:
    """An answer in a few words: its status, and its code if it is a problem."""
    try:
        body = answer.json()
    except ValueError:
        return f"{answer.status} and no JSON"
    code = body.get("code", "") if isinstance(body, dict) else ""
    return f"{answer.status} {code}".strip()


def eventually(
    look: Callable[[], Any], is_there: Callable[[Any], object], *, otherwise: str, seconds: float = PATIENCE_SECONDS
) -> Any:
    """Look again and again until it is there, and return it; raise Unexpected when it does not come in time."""
    deadline = time.monotonic() + seconds
    while not is_there(found := look()):
        if time.monotonic() > deadline:
            raise Unexpected(f"{otherwise} within {seconds:g} s")
        time.sleep(0.05)
    return found
