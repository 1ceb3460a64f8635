"""Stands between Paydesk and a gateway's peer, and does to a call what networks and gateways do.

What the peer got of it, and what its client was told, are two things: that is what the faults are about.
"""

import random
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import BinaryIO, Final, Self
from urllib.parse import urlsplit

from tests.peers.messages import Message

PASSED: Final = "passed"
HOLD_SECONDS: Final = 30.0
"""How long an unanswered client is held, unless it gives up before."""
REFUSED_SECONDS: Final = 0.2
"""How long nobody listens, where chance has it so."""


class Fault(StrEnum):
    DROP_BEFORE = "drop_before"  # the peer does not get it, and the client no answer
    DROP_AFTER = "drop_after"  # the peer does it, and the client gets no answer
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    SLOW = "slow"  # the peer does it; its answer comes a byte at a time
    RATE_LIMITED = "rate_limited"  # 429; the peer does not get it
    SERVER_ERROR = "server_error"  # 500; the peer does not get it
    SERVER_ERROR_AFTER = "server_error_after"  # the peer does it; 500
    GARBAGE = "garbage"  # 200 and no JSON; the peer does not get it
    GARBAGE_AFTER = "garbage_after"
    REFUSED = "refused"  # nobody listens, from now on until `clear`

    @property
    def reaches_the_peer(self) -> bool:
        return self in (Fault.SLOW, Fault.REFUSED) or self.endswith("_after")


def _instead(status: str, body: bytes, field: str = "") -> Message:
    fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{field}"
    return Message(f"HTTP/1.1 {status}\r\n{fields}\r\n".encode(), body, is_last=False)


_RATE_LIMITED: Final = _instead("429 Too Many Requests", b'{"error": {}}', "Retry-After: 1\r\n")
_SERVER_ERROR: Final = _instead("500 Internal Server Error", b'{"error": {"type": "api_error"}}')
_GARBAGE: Final = _instead("200 OK", b"<html>\xff We will be back soon")
INSTEAD: Final = {
    Fault.RATE_LIMITED: _RATE_LIMITED,
    Fault.SERVER_ERROR: _SERVER_ERROR,
    Fault.SERVER_ERROR_AFTER: _SERVER_ERROR,
    Fault.GARBAGE: _GARBAGE,
    Fault.GARBAGE_AFTER: _GARBAGE,
}


class Chance:
    """Faults of the same seed come in the same order."""

    def __init__(self, rate: float, seed: int) -> None:
        self._rate = rate
        self._random = random.Random(seed)

    def fault(self) -> Fault | None:
        """With the probability `rate` any of them."""
        return self._random.choice(list(Fault)) if self._random.random() < self._rate else None


@dataclass
class _Plan:
    fault: Fault
    times: int
    match: str


class Proxy:
    """A context manager. `url` leads through it; `counts` says what was done with the requests, by fault or `PASSED`.

    `pace` is how many seconds a byte of a slow answer takes.
    """

    def __init__(self, upstream: str, *, pace: float = 1.0) -> None:
        parts = urlsplit(upstream)
        self._peer = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.pace = pace
        self.counts: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._plans: list[_Plan] = []
        self._chance = Chance(0.0, seed=0)
        self._clients: set[_Client] = set()
        self._door = _Door()
        self._is_over = False
        self.url = f"http://127.0.0.1:{self._door.port}"

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_over = True
            self._door.close()
        self._hang_up()

    def fail(self, fault: str, *, times: int = 1, match: str = "") -> None:
        """What happens to the next requests whose first line begins with `match`, in which `*` stands for anything.

        `refused` asks no request: it begins at once, and ends with `clear`.
        """
        if Fault(fault) is Fault.REFUSED:
            self._refuse()
            return
        with self._lock:
            self._plans.append(_Plan(Fault(fault), times, match))

    def random_faults(self, rate: float, seed: int) -> None:
        """From now on each request that nothing is planned for meets any of the faults with this probability.

        With `refused` a request is answered, and nobody listens for a moment after it.
        """
        with self._lock:
            self._chance = Chance(rate, seed)

    def clear(self) -> None:
        """Pass everything on, and count from 0."""
        with self._lock:
            self._plans.clear()
            self._chance = Chance(0.0, seed=0)
            self.counts.clear()
        self._listen()

    def _listen(self) -> None:
        with self._lock:
            if not self._is_over and (listener := self._door.open()):
                threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _refuse(self, *, besides: "_Client | None" = None) -> None:
        with self._lock:
            self.counts[Fault.REFUSED] += 1
            self._door.shut()
        self._hang_up(besides=besides)

    def _listen_again(self) -> None:
        timer = threading.Timer(REFUSED_SECONDS, self._listen)
        timer.daemon = True
        timer.start()

    def _hang_up(self, *, besides: "_Client | None" = None) -> None:
        """No client may go on over a connection that it has."""
        with self._lock:
            clients = self._clients - {besides}
        for client in clients:
            client.hang_up()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        client = _Client(connection)
        with self._lock:
            self._clients.add(client)
        with suppress(OSError, ValueError):  # whoever hangs up, or breaks off in the middle of a chunk
            while request := client.next_request():
                if not self._handle(client, request):
                    break
        with self._lock:
            self._clients.discard(client)
        client.end()

    def _handle(self, client: "_Client", request: Message) -> bool:
        """Whether the connection is good for another request."""
        fault = self._choose(request)
        if fault is Fault.REFUSED:
            answer = self._forward(request)
            self._refuse(besides=client)
            self._listen_again()
            return client.send(answer and answer.as_the_last())
        answer = self._forward(request) if fault is None or fault.reaches_the_peer else None
        return self._tell(client, fault, answer)

    def _choose(self, request: Message) -> Fault | None:
        with self._lock:
            fault = self._planned(request.first_line) or self._chance.fault()
            if fault is not Fault.REFUSED:  # which counts itself
                self.counts[fault or PASSED] += 1
            return fault

    def _planned(self, line: str) -> Fault | None:
        plan = next((each for each in self._plans if fnmatchcase(line, each.match + "*")), None)
        if plan is None:
            return None
        plan.times -= 1
        if not plan.times:
            self._plans.remove(plan)
        return plan.fault

    def _tell(self, client: "_Client", fault: Fault | None, answer: Message | None) -> bool:
        if fault is None:
            return client.send(answer)
        if fault is Fault.SLOW:
            return client.send_slowly(answer, self.pace)
        if fault in (Fault.RESET_BEFORE, Fault.RESET_AFTER):
            return client.reset()
        return client.send(INSTEAD[fault]) if fault in INSTEAD else client.hold()

    def _forward(self, request: Message) -> Message | None:
        """The peer's answer, over a connection of its own: the client's may be open for longer than the peer's."""
        with socket.create_connection(self._peer) as peer, peer.makefile("rb") as answers:
            peer.sendall(request.raw)
            return Message.answer(answers, method=request.first_line.partition(" ")[0])


class _Door:
    """A port that is ours for good, whether or not anybody listens there."""

    def __init__(self) -> None:
        self._socket = self._bound(0)
        self.port = int(self._socket.getsockname()[1])
        self._is_open = False

    def open(self) -> socket.socket | None:
        """The socket to accept from; None when it is open already."""
        if self._is_open:
            return None
        self._socket.listen(64)
        self._is_open = True
        return self._socket

    def shut(self) -> None:
        """Refuse connections from now on: a port that is bound and not listened at is nobody else's either."""
        self.close()
        self._socket = self._bound(self.port)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._socket.close()
        self._is_open = False

    @staticmethod
    def _bound(port: int) -> socket.socket:
        fresh = socket.socket()
        fresh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        fresh.bind(("127.0.0.1", port))
        return fresh


class _Client:
    """One connection; what tells it something returns whether it is good for another request."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream: BinaryIO = connection.makefile("rb")

    def next_request(self) -> Message | None:
        return Message.request(self._stream)

    def send(self, answer: Message | None) -> bool:
        if answer is None:
            return False
        self._connection.sendall(answer.raw)
        return not answer.is_last

    def send_slowly(self, answer: Message | None, pace: float) -> bool:
        for byte in answer.raw if answer else b"":
            self._connection.sendall(bytes([byte]))
            time.sleep(pace)
        return False

    def hold(self) -> bool:
        """Say nothing until the client gives up."""
        self._connection.settimeout(HOLD_SECONDS)
        with suppress(OSError):
            self._stream.read(1)
        return False

    def reset(self) -> bool:
        """Lingering for 0 seconds is what makes closing a reset."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._stream.close()  # the socket stays open for as long as its stream is
        self._connection.close()
        return False

    def hang_up(self) -> None:
        """For other threads too: the client's own one then finds that nothing more comes."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        self.hang_up()
        self._stream.close()
        self._connection.close()
