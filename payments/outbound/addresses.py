"""Which addresses may be called on somebody else's word: public ones, and what the site allows beside them.

Pure but for the name service. A name is looked up once, all its addresses are checked, and the caller connects to one
of those that were checked: a name that means something else a moment later (DNS rebinding) leads nowhere.
Sources: IANA's registries of special-purpose addresses (RFC 6890); RFC 6052 and 8215 for NAT64.
"""

import ipaddress
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST: Final = 2000
"""Characters of an address."""
MOST_ADDRESSES: Final = 16
"""Of one name. Whoever has more has no need to be looked at any further."""
PORTS: Final = (80, 443)
"""Below 1024 all others belong to services that do not expect HTTP."""
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
NOT_PUBLIC: Final = "The host has no public address."
"""Whether it has a private one or none at all is nobody's business."""

_PRINTABLE: Final = re.compile(r"[!-~]+")
_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")

# Beside what Python calls global, which differs between its versions: also those that carry an IPv4 address.
_SPECIAL: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4", "::/96", "::ffff:0:0/96", "64:ff9b:1::/48", "100::/64", "2001::/23",
        "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class AddressRefusedError(ValueError):
    """This address may not be called. The message is for whoever chose it."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart; `path` with its query. `host` is a name, or an address without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str, *, allowed: Sequence[Network]) -> Target:
    """Take an address apart, as far as that is possible without asking anybody; raise AddressRefusedError.

    Where the site has `allowed` networks of its own, http is let through here: `resolve` wants it to lead there.
    """
    if len(url) > LONGEST or not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise AddressRefusedError(f"A URL of at most {LONGEST} printable ASCII characters is expected.")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise AddressRefusedError("This is not a URL.") from error
    schemes = ("https", "http") if allowed else ("https",)
    if parts.scheme not in schemes:
        raise AddressRefusedError(
            f"A URL that begins with {' or '.join(f'{name}://' for name in schemes)} is expected."
        )
    if "@" in parts.netloc or parts.fragment:
        raise AddressRefusedError("A URL without a user, a password and a fragment is expected.")
    target = Target(
        parts.scheme,
        host,
        DEFAULT_PORTS[parts.scheme] if port is None else port,
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )
    _require_sane(target, allowed)
    return target


def _require_sane(target: Target, allowed: Sequence[Network]) -> None:
    literal = _literal(target.host)
    if literal is not None:
        _require_allowed(target, [literal], allowed)
    elif not _NAME.fullmatch(target.host) or _NUMBER.fullmatch(target.host.rstrip(".").rpartition(".")[2]):
        # What ends in a number is an IPv4 address in another spelling (octal, hexadecimal, fewer parts), or nothing.
        raise AddressRefusedError("The host is neither a name nor an address in its usual spelling.")
    elif not allowed and _is_bad_port(target.port):
        raise AddressRefusedError(_bad_port())


def resolve(target: Target, *, allowed: Sequence[Network], timeout: float) -> list[str]:
    """Every address of the target, each of which may be called; `timeout` in seconds. Raise AddressRefusedError.

    One that may not be called is enough to refuse them all: nobody has a public and a private one by chance.
    """
    found = list(_look_up(target, timeout))
    if not found:
        raise AddressRefusedError(NOT_PUBLIC)
    _require_allowed(target, found, allowed)
    return [str(address) for address in found]


def is_public(address: Address) -> bool:
    """Whether anybody's machine may have this address. One behind NAT64 is the IPv4 address that it carries."""
    if address.version == 6 and address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    is_special = address.is_multicast or address.is_reserved or _is_in(address, _SPECIAL)
    return address.is_global and not is_special


def _require_allowed(target: Target, addresses: Sequence[Address], allowed: Sequence[Network]) -> None:
    if all(_is_in(address, allowed) for address in addresses):
        return
    if target.scheme != "https" or not all(is_public(address) or _is_in(address, allowed) for address in addresses):
        raise AddressRefusedError(NOT_PUBLIC if target.scheme == "https" else "A URL with https:// is expected.")
    if _is_bad_port(target.port):
        raise AddressRefusedError(_bad_port())


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _is_bad_port(port: int) -> bool:
    return port < 1024 and port not in PORTS


def _bad_port() -> str:
    return f"The port has to be {' or '.join(map(str, PORTS))}, or 1024 and above."


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _look_up(target: Target, timeout: float) -> Iterator[Address]:
    """Ask the name service, in a thread of its own: nothing else ends that question in time."""
    answers: Queue[list[str]] = Queue(1)
    Thread(target=_ask, args=(target, answers), name="name-service", daemon=True).start()
    try:
        found = answers.get(timeout=max(timeout, 0))
    except Empty as error:
        raise AddressRefusedError("The host's name could not be looked up in time.") from error
    for text in found[:MOST_ADDRESSES]:
        yield ipaddress.ip_address(text)


def _ask(target: Target, answers: "Queue[list[str]]") -> None:
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        answers.put([])
    else:
        answers.put(list(dict.fromkeys(str(each[4][0]) for each in found)))
