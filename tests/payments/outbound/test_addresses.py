"""Where somebody else's word may lead: to public addresses, however they are spelled, and to no other."""

import ipaddress
import re
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from payments.outbound.addresses import AddressRefusedError, is_public, parse, resolve

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]

PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450::1", "64:ff9b::808:808"]
OTHERS = {
    "this network": ["0.0.0.0", "0.1.2.3", "::"],  # noqa: S104  Nothing is bound to it.
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12:3456::1"],
    "carrier's own": ["100.64.0.1", "100.127.255.255"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "link-local": ["169.254.0.1", "fe80::1", "fec0::1"],
    "metadata": ["169.254.169.254", "fd00:ec2::254"],
    "protocols": ["192.0.0.8", "192.0.0.170", "192.88.99.1", "100::1", "2001::1", "5f00::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.255", "224.0.1.1", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"],
    "IPv4-compatible": ["::127.0.0.1", "::10.0.0.1"],
    "6to4": ["2002:7f00:1::", "2002:a00:1::", "2002:c0a8:101::1"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b:1::808:808"],
}


def answering(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[Any]:
    """A name service that answers in turn, the last for ever; the names it was asked for."""
    asked: list[Any] = []
    ask = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *arguments: Any, **options: Any) -> list[Any]:
        if not re.search("[a-z]", host):  # an address: what connects gives one
            return list(ask(host, port, *arguments, **options))
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def called(url: str, allowed: Any = ()) -> list[str]:
    return resolve(parse(url, allowed=allowed), allowed=allowed, timeout=5)


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_may_be_called(text: str) -> None:
    address = ipaddress.ip_address(text)

    assert is_public(address)
    assert called(f"https://[{text}]/" if address.version == 6 else f"https://{text}/") == [text]


@pytest.mark.parametrize("text", [text for kind in OTHERS.values() for text in kind])
def test_no_other_address_may_be_called_written_out_or_behind_a_name(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = ipaddress.ip_address(text)
    assert not is_public(address)

    with pytest.raises(AddressRefusedError):
        parse(f"https://[{text}]/" if address.version == 6 else f"https://{text}/", allowed=[])
    answering(monkeypatch, [text])
    with pytest.raises(AddressRefusedError):
        called("https://hooks.example.com/")


@pytest.mark.parametrize(
    "host", ["0x7f000001", "2130706433", "017700000001", "0177.0.0.1", "127.1", "0x7f.1", "127.0.0.1.", "0x7f.0.0.0x1"]
)
def test_an_ipv4_address_in_another_spelling_is_refused(host: str) -> None:
    with pytest.raises(AddressRefusedError):
        called(f"https://{host}/")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost."])
def test_a_name_that_means_this_machine_is_refused(host: str) -> None:
    with pytest.raises(AddressRefusedError):
        called(f"https://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "file:///hooks",
        "hooks.example.com/",
        "https://",
        "https:///path",
        "https://user@hooks.example.com/",
        "https://user:password@hooks.example.com/",
        "https://hooks.example.com@127.0.0.1/",
        "https://hooks.example.com\\@127.0.0.1/",
        "https://hooks.example.com/#fragment",
        "https://hooks.example.com:22/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:65536/",
        "https://hooks.example.com:x/",
        "https://hooks example.com/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nX: 1",
        "https://hööks.example.com/",
        "https://-hooks.example.com/",
        "https://hooks..example.com/",
        "https://[::1%25eth0]/",
        "https://[fe80::1%25lo]/",
        "https://[::1/",
        "https://%31%32%37.0.0.1/",
        f"https://hooks.example.com/{'a' * 2000}",
    ],
)
def test_what_is_no_plain_https_address_is_refused_before_anybody_is_asked(url: str) -> None:
    with pytest.raises(AddressRefusedError):
        parse(url, allowed=[])


def test_one_private_address_among_public_ones_refuses_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, ["8.8.8.8", "10.0.0.1"])

    with pytest.raises(AddressRefusedError):
        called("https://hooks.example.com/")


def test_a_name_that_nobody_knows_is_told_no_differently_from_a_private_one(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    for answer in ([], ["10.0.0.1"]):
        answering(monkeypatch, answer)
        with pytest.raises(AddressRefusedError) as refused:
            called("https://hooks.example.com/")
        told.append(str(refused.value))

    assert told[0] == told[1]


def test_what_the_site_allows_may_be_called_also_without_tls_and_at_any_port(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, ["127.0.0.1"])

    assert called("http://hooks.example.com:99/", LOOPBACK) == ["127.0.0.1"]
    with pytest.raises(AddressRefusedError):
        parse("http://10.0.0.1/", allowed=LOOPBACK)
    with pytest.raises(AddressRefusedError):
        parse("http://8.8.8.8/", allowed=LOOPBACK)


def test_a_name_service_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _slow(socket.getaddrinfo))
    began = time.monotonic()

    with pytest.raises(AddressRefusedError):
        resolve(parse("https://hooks.example.com/", allowed=[]), allowed=[], timeout=0.1)

    assert time.monotonic() - began < 1


def _slow(ask: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(*arguments: Any, **options: Any) -> Any:
        time.sleep(1.5)
        return ask("127.0.0.1", 80, **options)

    return getaddrinfo
