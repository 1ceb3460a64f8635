"""The faults that the proxy in front of a gateway's peer can be told to make."""

import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread

import pytest
import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, ReadTimeoutError

from tests.peers.proxy import PASSED, REFUSED_SECONDS, Chance, Fault, Proxy


class Peer(ThreadingHTTPServer):
    """Answers each request with its number, in chunks where its path ends in /chunks."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Peer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.got.append(f"{self.path} {body.decode()}".strip())
        number = str(len(self.server.got)).encode()
        self.send_response(200)
        if self.path.endswith("/chunks"):
            self.send_header("Transfer-Encoding", "chunked")
            number = b"1\r\n" + number + b"\r\n0\r\n\r\n"
        else:
            self.send_header("Content-Length", str(len(number)))
        self.end_headers()
        self.wfile.write(number)

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        thread = Thread(target=peer.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield peer
        peer.shutdown()
        thread.join()


@pytest.fixture
def proxy(peer: Peer) -> Iterator[Proxy]:
    with Proxy(f"http://127.0.0.1:{peer.server_address[1]}", pace=0.01) as proxy:
        yield proxy


class Client:
    """One connection, kept open."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(maxsize=1, retries=False, timeout=0.3)

    def post(self, path: str = "/", body: str = "") -> urllib3.BaseHTTPResponse:
        return self._pool.request("POST", self._url + path, body=body)

    def get(self, path: str = "/") -> urllib3.BaseHTTPResponse:
        return self._pool.request("GET", self._url + path)

    def close(self) -> None:
        self._pool.clear()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[Client]:
    client = Client(proxy.url)
    yield client
    client.close()


def test_what_no_fault_is_planned_for_passes_on_one_connection(peer: Peer, proxy: Proxy, client: Client) -> None:
    answers = [client.post("/a", "one"), client.get("/b/chunks"), client.post("/c", "two")]

    assert [answer.data for answer in answers] == [b"1", b"2", b"3"]
    assert peer.got == ["/a one", "/b/chunks", "/c two"]
    assert proxy.counts == {PASSED: 3}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.DROP_BEFORE, ReadTimeoutError),
        (Fault.DROP_AFTER, ReadTimeoutError),
        (Fault.RESET_BEFORE, ProtocolError),
        (Fault.RESET_AFTER, ProtocolError),
    ],
)
def test_an_answer_is_lost_whether_or_not_the_peer_got_the_request(
    peer: Peer, proxy: Proxy, client: Client, fault: Fault, error: type[HTTPError]
) -> None:
    proxy.fail(fault)

    with pytest.raises(error) as raised:
        client.post("/a")

    assert peer.got == (["/a"] if fault.reaches_the_peer else [])
    assert not isinstance(raised.value, NewConnectionError)
    assert proxy.counts == {fault: 1}
    assert client.post("/b").status == 200


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.RATE_LIMITED, 429),
        (Fault.SERVER_ERROR, 500),
        (Fault.SERVER_ERROR_AFTER, 500),
        (Fault.GARBAGE, 200),
        (Fault.GARBAGE_AFTER, 200),
    ],
)
def test_the_proxy_answers_for_the_peer(peer: Peer, proxy: Proxy, client: Client, fault: Fault, status: int) -> None:
    proxy.fail(fault)

    answer = client.post("/a")

    assert answer.status == status
    assert answer.headers.get("Retry-After") == ("1" if status == 429 else None)
    assert peer.got == (["/a"] if fault.reaches_the_peer else [])


def test_garbage_is_no_json(proxy: Proxy, client: Client) -> None:
    proxy.fail("garbage")

    with pytest.raises(ValueError, match=r"utf-8|Expecting"):
        client.post().json()


def test_a_slow_answer_comes_a_byte_at_a_time(peer: Peer, proxy: Proxy, client: Client) -> None:
    proxy.fail("slow")

    answer = client.post("/a")

    assert (answer.data, peer.got) == (b"1", ["/a"])


def test_nobody_listens_until_the_proxy_is_cleared(peer: Peer, proxy: Proxy, client: Client) -> None:
    client.post("/a")
    proxy.fail("refused")

    for _ in range(2):
        with pytest.raises(NewConnectionError):
            client.post("/b")
    proxy.clear()

    assert client.post("/c").data == b"2"
    assert peer.got == ["/a", "/c"]


def test_a_fault_is_for_so_many_requests_that_match(peer: Peer, proxy: Proxy, client: Client) -> None:
    proxy.fail("server_error", times=2, match="POST /v1/*/capture")

    paths = ["/v1/1/capture", "/v1/1/refund", "/v1/2/capture", "/v1/3/capture"]
    statuses = [client.post(path).status for path in paths]

    assert client.get("/v1/4/capture").status == 200
    assert statuses == [500, 200, 500, 200]
    assert proxy.counts == {"server_error": 2, PASSED: 3}


def test_chance_is_the_same_for_the_same_seed() -> None:
    chances = [Chance(0.5, seed) for seed in (7, 7, 8)]
    always = Chance(1.0, seed=1)

    first, again, other = ([chance.fault() for _ in range(50)] for chance in chances)

    assert first == again != other
    assert 10 < first.count(None) < 40
    assert {always.fault() for _ in range(500)} == set(Fault)


def test_requests_meet_chance(peer: Peer, proxy: Proxy, client: Client) -> None:
    proxy.random_faults(1.0, seed=2)

    for number in range(5):
        with suppress(HTTPError):
            client.post(f"/{number}")

    assert proxy.counts.total() > 0
    assert PASSED not in proxy.counts


def test_after_a_moment_somebody_listens_again_where_chance_had_it_otherwise(proxy: Proxy, client: Client) -> None:
    seed = next(seed for seed in count() if Chance(0.5, seed).fault() is Fault.REFUSED)
    proxy.random_faults(0.5, seed)

    answered = client.post("/a")
    with pytest.raises(NewConnectionError):
        client.post("/b")
    time.sleep(2 * REFUSED_SECONDS)
    proxy.clear()

    assert (answered.data, client.post("/c").data) == (b"1", b"2")
