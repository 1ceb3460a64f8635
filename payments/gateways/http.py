"""HTTP with a gateway, told apart by what is certain: answered, never sent, or unknown."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from payments.errors import GatewayTimeoutError, NetworkError, RateLimitedError
from payments.gateways.audit import record_call
from payments.gateways.base import Call
from payments.gateways.deadlines import DeadlinePool

MAX_ANSWER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `answer` is the JSON in it, or the beginning of whatever else it is."""

    status: int
    text: bytes
    headers: Mapping[str, str]
    answer: Any

    def require_clear(self) -> None:
        """Raise RateLimitedError for a 429, GatewayTimeoutError for what says nothing: a 5xx, or no JSON object."""
        if self.status == 429:
            retry_after = self.headers.get("retry-after", "")
            raise RateLimitedError(retry_after=float(retry_after) if retry_after.isdecimal() else None)
        if self.status >= 500:
            raise GatewayTimeoutError(f"The gateway answered {self.status}.", is_answered=True)
        if not isinstance(self.answer, dict) or 300 <= self.status < 400:
            # Not "answered": the real answer may well be kept under this key, so the key is kept too.
            raise GatewayTimeoutError("The gateway's answer makes no sense.")


@contextmanager
def makes_sense() -> Iterator[None]:
    """An answer of another shape than agreed says nothing about what happened: raise GatewayTimeoutError."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise GatewayTimeoutError("The gateway's answer makes no sense.") from error


class Connections:
    """Connections to one gateway. `timeout`, in seconds, bounds a call from connecting to the last byte."""

    def __init__(self, *, timeout: float) -> None:
        self.timeout = timeout
        self._pool = DeadlinePool(
            maxsize=16, retries=False, timeout=urllib3.Timeout(connect=min(timeout, 2.0), read=timeout, total=timeout)
        )

    def exchange(
        self,
        operation: str,
        method: str,
        url: str,
        *,
        body: bytes | str | None = None,
        headers: Mapping[str, str],
        shown: Any = None,
    ) -> Reply:
        """One call, kept for the record with the request as it is `shown`.

        Raise NetworkError when the gateway has certainly done nothing, GatewayTimeoutError when nobody can say.
        """
        started = monotonic()
        status: int | None = None
        answer: Any = None
        try:
            reply = self._exchange(method, url, body, headers)
            status, answer = reply.status, reply.answer
            return reply
        except (NewConnectionError, ConnectTimeoutError) as error:
            answer = type(error).__name__
            raise NetworkError("The gateway could not be reached.") from error
        except HTTPError as error:
            answer = type(error).__name__
            raise GatewayTimeoutError("The gateway did not answer.") from error
        finally:
            milliseconds = round((monotonic() - started) * 1000)
            where = urlsplit(url)
            path = where.path + (f"?{where.query}" if where.query else "")
            record_call(Call(operation, f"{method} {path}", status, milliseconds, shown, answer))

    def _exchange(self, method: str, url: str, body: bytes | str | None, headers: Mapping[str, str]) -> Reply:
        deadline = monotonic() + self.timeout
        response = self._pool.request(
            method, url, body=body, headers=dict(headers), preload_content=False, redirect=False
        )
        try:
            text = _read(response, deadline)
            names = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, text, names, _parse(text))
        finally:
            response.release_conn()


class JsonClient:
    """JSON there and back, at one address."""

    def __init__(self, base_url: str, *, timeout: float, headers: Mapping[str, str] | None = None) -> None:
        self.base_url = base_url
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        self._connections = Connections(timeout=timeout)

    def send(
        self, operation: str, method: str, path: str, *, body: dict[str, Any] | None = None, key: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """The status (below 500, not 429) and the JSON object that came with it; raises as `exchange` does."""
        reply = self.exchange(operation, method, path, body=body, key=key)
        return reply.status, reply.answer

    def exchange(
        self, operation: str, method: str, path: str, *, body: dict[str, Any] | None = None, key: str = ""
    ) -> Reply:
        """One call, answered with a JSON object and a status below 500, not 429.

        Raise NetworkError or RateLimitedError when the gateway has certainly done nothing, GatewayTimeoutError when
        nobody can say.
        """
        reply = self._connections.exchange(
            operation,
            method,
            self.base_url + path,
            body=None if body is None else json.dumps(body),
            headers=self._headers | ({"Idempotency-Key": key} if key else {}),
            shown=body,
        )
        reply.require_clear()
        return reply


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The body, unless it is endless or comes a byte at a time."""
    parts: list[bytes] = []
    size = 0
    for part in response.stream(65536):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES or monotonic() > deadline:
            response.close()
            raise GatewayTimeoutError("The gateway's answer does not end.")
    return b"".join(parts)


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text[:500].decode("utf-8", "replace")
