"""What a call brings, what it gets back, and how the answer travels."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

JsonObject = dict[str, Any]


class Delivery(StrEnum):
    """How an answer reaches the caller, if it does."""

    ANSWER = "answer"
    SILENCE = "silence"  # the connection stays open and nothing is ever said
    RESET = "reset"  # TCP RST
    GARBAGE = "garbage"  # 200 with a page instead of JSON


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    """The path alone, without its query."""
    query: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    body: JsonObject = field(default_factory=dict)
    """The content, once it is read as JSON."""
    key: str | None = None
    """The caller's idempotency key."""
    target: str = ""
    """The id in the path, of a charge or a shipment."""
    is_abandoned: Callable[[], bool] = lambda: False
    """Whether the caller has hung up."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    delivery: Delivery = Delivery.ANSWER


class Refusal(Exception):
    """The call is answered with an error, and nothing has changed."""

    def __init__(self, status: int, code: str, message: str, *, decline_code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error: JsonObject = {"code": code, "message": message}
        if decline_code is not None:
            self.error["decline_code"] = decline_code

    @property
    def body(self) -> JsonObject:
        return {"error": self.error}


def too_many_requests() -> Refusal:
    return Refusal(429, "rate_limited", "Too many requests. Try again later.")


def server_error() -> Refusal:
    return Refusal(500, "server_error", "The gateway failed.")


_encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False)


def encode(body: JsonObject) -> bytes:
    return _encoder.encode(body).encode()


def json_answer(status: int, body: JsonObject, **headers: str) -> Answer:
    """`headers` are written with underscores: `Retry_After`."""
    return Answer(status, encode(body), headers=tuple((name.replace("_", "-"), text) for name, text in headers.items()))
