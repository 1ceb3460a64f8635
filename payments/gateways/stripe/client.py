"""The SDK, on connections of ours: they alone know what was never sent, and keep every call for the record."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qsl

import stripe
from django.conf import settings

from payments.errors import InvalidRequestError
from payments.gateways.http import Connections
from payments.gateways.stripe.errors import translated

_operation: ContextVar[str] = ContextVar("stripe_operation", default="look_up")


class Transport(stripe.HTTPClient):
    """Carries the SDK's calls. Its own retries stay off: who may try again, and when, is the saga's to say."""

    name = "urllib3"

    def __init__(self, *, timeout: float) -> None:
        super().__init__()
        self._connections = Connections(timeout=timeout)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Raise NetworkError, RateLimitedError or GatewayTimeoutError: the SDK lets them pass."""
        reply = self._connections.exchange(
            _operation.get(),
            method.upper(),
            url,
            body=post_data,
            headers=headers or {},
            shown=dict(parse_qsl(post_data)) if post_data else None,
        )
        reply.require_clear()
        return reply.text.decode("utf-8", "replace"), reply.status, reply.headers


def make_client() -> stripe.StripeClient:
    return stripe.StripeClient(
        settings.STRIPE_API_KEY or "",
        base_addresses={"api": settings.STRIPE_API_BASE},
        http_client=Transport(timeout=settings.GATEWAY_TIMEOUT_SECONDS),
        max_network_retries=0,
    )


@contextmanager
def asking(operation: str, *, reference: str = "") -> Iterator[None]:
    """Name the calls made inside for the record, and translate Stripe's errors; a decline is about `reference`."""
    token = _operation.set(operation)
    try:
        yield
    except stripe.StripeError as error:
        raise translated(error, reference=reference) from error
    finally:
        _operation.reset(token)


def unless_missing(retrieve: Callable[[], stripe.StripeObject]) -> dict[str, Any] | None:
    """What is retrieved; None when there is nothing of that name."""
    try:
        with asking("look_up"):
            return retrieve().to_dict()
    except InvalidRequestError as error:
        if isinstance(error.__cause__, stripe.StripeError) and error.__cause__.http_status == 404:
            return None
        raise
