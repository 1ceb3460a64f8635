"""A merchant with one order, speaking to the sandbox over HTTP."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import ReadTimeoutError

from tests.sandbox import Sandbox

PATIENCE_SECONDS = 10.0


class Shop:
    """Sends every call under a key of its own, unless it is given one."""

    def __init__(self, sandbox: Sandbox, *, order: str) -> None:
        self.sandbox = sandbox
        self.order = order
        self.patience = PATIENCE_SECONDS
        self._numbers = count(1)

    @contextmanager
    def hanging_up(self) -> Iterator[None]:
        """Calls in here are not answered, and the shop soon stops waiting."""
        self.patience = 0.5
        with pytest.raises(ReadTimeoutError):
            yield
        self.patience = PATIENCE_SECONDS

    def key(self) -> str:
        return f"{self.order}:step:forward:{next(self._numbers)}"

    def authorize(self, token: str = "tok_visa", *, key: str | None = None, **fields: Any) -> BaseHTTPResponse:
        body = {"order": self.order, "amount": 5000, "currency": "USD", "payment_method": token, **fields}
        return self.sandbox.post("/v1/charges", body, key=key or self.key(), patience=self.patience)

    def authorized(self, token: str = "tok_visa", **fields: Any) -> str:
        """The id of an authorized (or challenged) charge."""
        answer = self.authorize(token, **fields)
        assert answer.status == 200, answer.data
        return str(answer.json()["charge"]["id"])

    def captured(self, token: str = "tok_visa", **fields: Any) -> str:
        charge = self.authorized(token, **fields)
        assert self.capture(charge).status == 200
        return charge

    def capture(self, charge: str, *, key: str | None = None, **fields: Any) -> BaseHTTPResponse:
        return self.sandbox.post(f"/v1/charges/{charge}/capture", fields, key=key or self.key(), patience=self.patience)

    def void(self, charge: str, *, key: str | None = None) -> BaseHTTPResponse:
        return self.sandbox.post(f"/v1/charges/{charge}/void", {}, key=key or self.key(), patience=self.patience)

    def refund(self, charge: str, *, key: str | None = None, **fields: Any) -> BaseHTTPResponse:
        return self.sandbox.post(f"/v1/charges/{charge}/refunds", fields, key=key or self.key(), patience=self.patience)

    def ship(self, postal_code: str = "10115", *, key: str | None = None) -> BaseHTTPResponse:
        address = {"postal_code": postal_code, "country": "DE"}
        return self.sandbox.post(
            "/v1/shipments", {"order": self.order, "address": address}, key=key or self.key(), patience=self.patience
        )

    def charge(self, charge: str) -> dict[str, Any]:
        """The charge as a look-up shows it."""
        found: dict[str, Any] = self.sandbox.get(f"/v1/charges/{charge}").json()["charge"]
        return found

    def operations(self, key: str) -> list[dict[str, Any]]:
        """What the gateway did under the key."""
        found: list[dict[str, Any]] = self.sandbox.get("/v1/operations", idempotency_key=key).json()["operations"]
        return found

    def journal(self) -> list[dict[str, Any]]:
        """The entries of this order."""
        return [entry for entry in self.sandbox.journal() if entry["order"] == self.order]

    def last_entry(self) -> dict[str, Any]:
        return self.journal()[-1]


def wait_until(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
