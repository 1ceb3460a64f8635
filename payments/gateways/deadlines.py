"""Connections whose answers end in time.

A socket's timeout is for each read: an answer that comes a byte at a time never exceeds it, and could hold a worker
beyond its lease.
"""

import io
import socket
from http.client import HTTPResponse
from time import monotonic
from typing import Any, cast

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class _Reader(io.RawIOBase):
    """Reads for as long as the socket's timeout is when it begins, all reads together; there has to be one."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket) -> None:
        self._raw = raw
        self._socket = connection
        self._deadline = monotonic() + cast(float, connection.gettimeout())

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("The answer does not end.")
        self._socket.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp: Any = io.BufferedReader(_Reader(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class: type[HTTPResponse] = _Response


class _SecureConnection(HTTPSConnection):
    response_class: type[HTTPResponse] = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class DeadlinePool(PoolManager):
    """The `read` timeout, which has to be given, is for the whole answer, from its first byte to its last."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
