"""Stands between Paydesk and PostgreSQL, and loses a COMMIT or its answer when it is told to.

Source of the messages: PostgreSQL, chapter "Frontend/Backend Protocol". Psycopg sends COMMIT as a simple query, alone.
"""

import socket
import threading
from contextlib import suppress
from typing import Final, Self
from urllib.parse import urlsplit, urlunsplit

COMMIT: Final = b"Q\x00\x00\x00\x0bCOMMIT\x00"
CHUNK: Final = 65536
PATIENCE_SECONDS: Final = 10.0


class Proxy:
    """A context manager. `url` leads through it; `commits` counts what has passed since `lose` or `count` was told."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._socket = socket.create_server(("127.0.0.1", 0))
        credentials = parts.netloc.rpartition("@")[0]
        here = f"{credentials}@127.0.0.1:{self._socket.getsockname()[1]}"
        self.url = urlunsplit(parts._replace(netloc=here, query="sslmode=disable"))
        self.commits = 0
        self.lost = 0
        self._at: int | None = None
        self._when = ""

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def count(self) -> None:
        """Lose nothing from now on, and count from 0."""
        self.commits, self.lost, self._at = 0, 0, None

    def lose(self, at: int, when: str) -> None:
        """Close the connection `before` the next COMMIT of that number (from 0), or `after` it, its answer unsaid."""
        self.count()
        self._at, self._when = at, when

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server:
            answers = _Answers(server, client)
            answers.start()
            with suppress(OSError):
                while data := client.recv(CHUNK):
                    if COMMIT in data and self._is_to_be_lost():
                        self._lose(data, server, answers)
                        break
                    server.sendall(data)
            _shut(client, server)

    def _is_to_be_lost(self) -> bool:
        number, self.commits = self.commits, self.commits + 1
        return number == self._at

    def _lose(self, commit: bytes, server: socket.socket, answers: "_Answers") -> None:
        self.lost += 1
        if self._when == "after":
            answers.are_lost.set()
            server.sendall(commit)
            answers.join(PATIENCE_SECONDS)


class _Answers(threading.Thread):
    """Passes on what the server says; once `are_lost`, the next answer is swallowed and was the last."""

    def __init__(self, server: socket.socket, client: socket.socket) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._client = client
        self.are_lost = threading.Event()

    def run(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(CHUNK):
                if self.are_lost.is_set():
                    return
                self._client.sendall(data)
        _shut(self._client)


def _shut(*connections: socket.socket) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
