"""One POST: to the address that was checked, under the name that was meant, and never for longer than it may take."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_django import Settings

from payments.outbound import client
from payments.outbound.client import AddressRefusedError, UnreachableError
from tests.payments.alerts.builders import receiving
from tests.payments.outbound.test_addresses import answering

NAME = "hooks.example.com"


def post(url: str, *, timeout: float = 5.0) -> client.Answer:
    return client.post(url, body=b"{}", headers={"Content-Type": "application/json"}, timeout=timeout)


def test_the_connection_goes_to_the_address_and_the_request_names_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving(200, body=b"thanks") as receiver:
        asked = answering(monkeypatch, ["127.0.0.1"])
        port = receiver.url.split(":")[2].split("/")[0]

        answer = post(f"http://{NAME}:{port}/hook?a=1")

    assert (answer.status, answer.text) == (200, "thanks")
    assert receiver.posts[0][0]["host"] == f"{NAME}:{port}"
    assert asked.count(NAME) == 1


def test_a_name_that_means_something_else_after_the_check_leads_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    with receiving() as inside:
        port = inside.url.split(":")[2].split("/")[0]
        settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.9/32"]
        asked = answering(monkeypatch, ["127.0.0.9"], ["127.0.0.1"])

        with pytest.raises(UnreachableError):
            post(f"http://{NAME}:{port}/")
        with pytest.raises(AddressRefusedError):
            post(f"http://{NAME}:{port}/")

    assert asked == [NAME, NAME]
    assert inside.posts == []


def test_the_address_is_checked_anew_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving(200) as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        answering(monkeypatch, ["127.0.0.1"])
        assert post(f"http://{NAME}:{port}/").status == 200

        answering(monkeypatch, ["10.0.0.1"])
        with pytest.raises(AddressRefusedError):
            post(f"http://{NAME}:{port}/")

    assert len(receiver.posts) == 1


def test_another_address_of_the_name_is_tried_when_the_first_takes_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with receiving(200) as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        answering(monkeypatch, ["127.0.0.9", "127.0.0.1"])

        assert post(f"http://{NAME}:{port}/").status == 200


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving(200) as receiver, receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)

        assert post(receiver.url).status == 200

    assert proxy.posts == []


@contextmanager
def dripping(beginning: bytes) -> Iterator[str]:
    """A receiver whose answer begins so and never ends."""
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _address = listener.accept()
        with connection:
            try:
                connection.sendall(beginning)
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                pass

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.close()
        thread.join()


def test_headers_that_do_not_end_are_not_waited_for() -> None:
    with dripping(b"HTTP/1.1 200 OK\r\nX: ") as url:
        began = time.monotonic()

        with pytest.raises(UnreachableError):
            post(url, timeout=0.5)

        assert time.monotonic() - began < 2


def test_a_body_that_does_not_end_is_not_waited_for_and_the_status_counts() -> None:
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n") as url:
        began = time.monotonic()

        answer = post(url, timeout=0.5)

        assert time.monotonic() - began < 2
        assert (answer.status, answer.text) == (200, "")


def test_a_long_answer_is_read_in_part() -> None:
    with receiving(200, body=b"x" * 1_000_000) as receiver:
        assert len(post(receiver.url).text) == client.READ_BYTES


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of NAME, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={NAME}"]
    extension = ["-addext", f"subjectAltName=DNS:{NAME}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *extension], check=True, capture_output=True)
    return key, certificate


def secure_receiving(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])
    return context


@pytest.fixture
def trusting(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))
    client._tls.cache_clear()
    yield
    client._tls.cache_clear()


@pytest.mark.usefixtures("trusting")
def test_the_certificate_has_to_be_that_of_the_name_not_of_the_address(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(200, tls=secure_receiving(certificate)) as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        answering(monkeypatch, ["127.0.0.1"])

        assert post(f"https://{NAME}:{port}/").status == 200
        with pytest.raises(UnreachableError, match="SSLError"):
            post(f"https://other.example.com:{port}/")
        with pytest.raises(UnreachableError, match="SSLError"):
            post(f"https://127.0.0.1:{port}/")

    assert len(receiver.posts) == 1


def test_a_certificate_that_nobody_trusts_is_refused(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(200, tls=secure_receiving(certificate)) as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        answering(monkeypatch, ["127.0.0.1"])

        with pytest.raises(UnreachableError, match="SSLError"):
            post(f"https://{NAME}:{port}/")

    assert receiver.posts == []
