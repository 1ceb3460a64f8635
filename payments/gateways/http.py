"""JSON over HTTP with a gateway, told apart by what is certain: answered, never sent, or unknown."""

import json
from time import monotonic
from typing import Any

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from payments.errors import GatewayTimeoutError, NetworkError, RateLimitedError
from payments.gateways.audit import record_call
from payments.gateways.base import Call

MAX_ANSWER_BYTES = 1024 * 1024


class JsonClient:
    """Connections to one gateway. `timeout`, in seconds, bounds a call from connecting to the last byte."""

    def __init__(self, base_url: str, *, timeout: float) -> None:
        self.base_url = base_url
        self.timeout = timeout
        self._pool = urllib3.PoolManager(
            maxsize=16, retries=False, timeout=urllib3.Timeout(connect=min(timeout, 2.0), read=timeout, total=timeout)
        )

    def send(
        self, operation: str, method: str, path: str, *, body: dict[str, Any] | None = None, key: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """The status (below 500, not 429) and the JSON object that came with it.

        Raise NetworkError or RateLimitedError when the gateway has certainly done nothing, GatewayTimeoutError when
        nobody can say.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        started = monotonic()
        status: int | None = None
        answer: Any = None
        try:
            status, text, retry_after = self._exchange(method, path, body, headers)
            answer = _parse(text)
            return _understood(status, answer, retry_after)
        except (NewConnectionError, ConnectTimeoutError) as error:
            answer = type(error).__name__
            raise NetworkError("The gateway could not be reached.") from error
        except HTTPError as error:
            answer = type(error).__name__
            raise GatewayTimeoutError("The gateway did not answer.") from error
        finally:
            milliseconds = round((monotonic() - started) * 1000)
            record_call(Call(operation, f"{method} {path}", status, milliseconds, body, answer))

    def _exchange(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> tuple[int, bytes, str]:
        deadline = monotonic() + self.timeout
        response = self._pool.request(
            method,
            self.base_url + path,
            body=None if body is None else json.dumps(body),
            headers=headers,
            preload_content=False,
            redirect=False,
        )
        try:
            return response.status, _read(response, deadline), response.headers.get("Retry-After", "")
        finally:
            response.release_conn()


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


def _understood(status: int, answer: Any, retry_after: str) -> tuple[int, dict[str, Any]]:
    if status == 429:
        raise RateLimitedError(retry_after=float(retry_after) if retry_after.isdecimal() else None)
    if status >= 500:
        raise GatewayTimeoutError(f"The gateway answered {status}.", is_answered=True)
    if not isinstance(answer, dict) or 300 <= status < 400:
        # Not "answered": the real answer may well be kept under this key, so the key is kept too.
        raise GatewayTimeoutError("The gateway's answer makes no sense.")
    return status, answer
