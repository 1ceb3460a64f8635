"""A peer as a process of its own, which ends with this one."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.supervisor import end_with_parent
from tests.peers import programs
from tests.peers.programs import Program

READY_SECONDS = 30


@contextmanager
def running(program: Program, folder: Path) -> Iterator[str]:
    """The address of one that has nothing in its memory yet; `folder` is for its log. Raise MissingError."""
    installed = programs.obtain(program)
    port = _free_port()
    with (folder / f"{program.name}.log").open("wb") as log:
        process = subprocess.Popen(
            program.command(installed, port),
            cwd=folder,
            env={**programs.environment(), **program.environment(port)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: end_with_parent(signal.SIGKILL),
        )
    try:
        _wait_for(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()  # it has nothing to lose
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the peer ended while it was starting"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the peer does not listen")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
