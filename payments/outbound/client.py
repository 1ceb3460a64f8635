"""One POST to an address that somebody else has chosen: bounded in time and size, and to where it was allowed to go."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from time import monotonic
from typing import Any, Final

import urllib3
from django.conf import settings
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from payments.gateways.deadlines import DeadlinePool
from payments.outbound import addresses
from payments.outbound.addresses import AddressRefusedError, Network, Target

TIMEOUT_SECONDS: Final = 15.0
"""From looking up the name to the last byte, as Standard Webhooks recommends (15 to 30)."""
CONNECT_SECONDS: Final = 5.0
READ_BYTES: Final = 2000
"""Of what the receiver answers."""


class UnreachableError(Exception):
    """There was no answer. The message names neither an address nor a secret: it is shown and logged."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is how the body begins; header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    text: str
    milliseconds: int


def allowed_networks() -> list[Network]:
    return [ip_network(network) for network in settings.OUTBOUND_ALLOWED_NETWORKS]


def require_callable(url: str) -> None:
    """Raise AddressRefusedError for what could never be called, as far as that can be told without asking anybody."""
    addresses.parse(url, allowed=allowed_networks())


def post(url: str, *, body: bytes, headers: Mapping[str, str], timeout: float = TIMEOUT_SECONDS) -> Answer:
    """Send it once, and follow no redirect. Raise AddressRefusedError or UnreachableError.

    The name is looked up and its addresses are checked anew each time, and the connection is made to one of the
    addresses that were checked; the certificate is still that of the name. Proxies of the environment are not asked.
    """
    began, allowed = monotonic(), allowed_networks()
    deadline = began + timeout
    target = addresses.parse(url, allowed=allowed)
    found = addresses.resolve(target, allowed=allowed, timeout=min(CONNECT_SECONDS, timeout))
    with_host = {**headers, "Host": target.host_header, "Accept-Encoding": "identity"}
    response = _first_answer(target, found, deadline, body=body, headers=with_host)
    names = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, names, _beginning(response), round((monotonic() - began) * 1000))


def _beginning(response: urllib3.BaseHTTPResponse) -> str:
    """Of the body; it is the status that counts, so one that does not come to an end is none."""
    try:
        return response.read(READ_BYTES, decode_content=False).decode("utf-8", "replace")
    except (HTTPError, OSError):
        return ""
    finally:
        response.close()


def _first_answer(target: Target, found: Sequence[str], deadline: float, **request: Any) -> urllib3.BaseHTTPResponse:
    """Another address is only tried when nothing was sent to the one before."""
    pools = DeadlinePool(retries=False, ssl_context=_tls())
    error: Exception = UnreachableError("NoTimeLeft")
    for pool, left in _tries(pools, target, found, deadline):
        timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, left), read=left, total=left)
        try:
            return pool.urlopen(
                "POST", target.path, redirect=False, preload_content=False, timeout=timeout, **request
            )  # fmt: skip
        except (NewConnectionError, ConnectTimeoutError) as failure:
            error = failure
        except (HTTPError, OSError, ValueError) as failure:
            raise UnreachableError(type(failure).__name__) from failure
    raise UnreachableError(type(error).__name__) from error


def _tries(
    pools: DeadlinePool, target: Target, found: Sequence[str], deadline: float
) -> Iterator[tuple[urllib3.HTTPConnectionPool, float]]:
    options = {"server_hostname": target.host} if target.scheme == "https" else {}
    for address in found:
        left = deadline - monotonic()
        if left <= 0:
            return
        yield pools.connection_from_host(address, target.port, target.scheme, pool_kwargs=options), left


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the trusted certificates takes longer than a handshake."""
    context = create_urllib3_context()
    context.load_default_certs()
    return context


__all__ = ["AddressRefusedError", "Answer", "UnreachableError", "post", "require_callable"]
