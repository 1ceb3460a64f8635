"""How long an answer may take, all of it."""

import socket
import time

import pytest

from payments.gateways.deadlines import _Reader


def test_what_has_come_too_late_is_not_read_although_it_is_there() -> None:
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(0.05)
        reader = _Reader(here.makefile("rb", buffering=0), here)
        there.sendall(b"ab")

        first = reader.read(1)
        time.sleep(0.06)

        assert first == b"a"
        with pytest.raises(TimeoutError):
            reader.read(1)
        reader.close()
