"""The open connections of a server: which may be closed at once, and which have a call under way."""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator

# struct linger {on, 0 seconds}: close() then drops what is unsent and sends RST (socket(7)).
_RESET = struct.pack("ii", 1, 0)


class Connections:
    """Safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_busy: dict[socket.socket, bool] = {}

    def add(self, connection: socket.socket) -> None:
        with self._lock:
            self._is_busy[connection] = False

    def remove(self, connection: socket.socket) -> None:
        with self._lock:
            self._is_busy.pop(connection, None)

    @contextlib.contextmanager
    def busy(self, connection: socket.socket) -> Iterator[None]:
        """While a call is under way on it, only `close_all` closes the connection."""
        self._mark(connection, is_busy=True)
        try:
            yield
        finally:
            self._mark(connection, is_busy=False)

    @contextlib.contextmanager
    def abandoned(self, connection: socket.socket) -> Iterator[None]:
        """The call on it is over, but it will never be answered: nobody has to wait for it."""
        self._mark(connection, is_busy=False)
        yield

    def close_idle(self) -> None:
        with self._lock:
            idle = [connection for connection, is_busy in self._is_busy.items() if not is_busy]
        _shut(idle)

    def close_all(self, *, after_seconds: float) -> None:
        """Close every connection; those with a call under way get this long to finish it."""
        deadline = time.monotonic() + after_seconds
        while self._is_any_busy() and time.monotonic() < deadline:
            time.sleep(0.01)
        with self._lock:
            connections = list(self._is_busy)
        _shut(connections)

    def _mark(self, connection: socket.socket, *, is_busy: bool) -> None:
        with self._lock:
            if connection in self._is_busy:
                self._is_busy[connection] = is_busy

    def _is_any_busy(self) -> bool:
        with self._lock:
            return any(self._is_busy.values())


def reset_on_close(connection: socket.socket) -> None:
    """Make the connection's close() a RST: its peer sees "connection reset"."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def wait_until_peer_leaves(connection: socket.socket) -> None:
    """Say nothing for as long as the peer keeps the connection open."""
    with contextlib.suppress(OSError):
        while connection.recv(4096):
            pass


def has_hung_up(connection: socket.socket) -> bool:
    """Whether the peer has closed its side; what it has sent beside stays unread."""
    try:
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True


def _shut(connections: list[socket.socket]) -> None:
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
