"""What a page of the documentation tells people to paste, and a running stack to paste it at."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
READY_SECONDS: Final = 60
IDS: Final = re.compile(r"\b(ord|saga|ch|req)_[0-9a-z]{26}\b")


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """What is pasted, and what is shown below it."""
    block = rf"^```{language}\n(.*?)^```\n(?:\n^```\n(.*?)^```)?"
    return re.findall(block, (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def without_ids(text: str) -> str:
    """Every run makes other ones."""
    return IDS.sub(r"\1_...", text)


@contextmanager
def running_stack(environment: Mapping[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as out:
        stack = subprocess.Popen([sys.executable, "-m", "config.stack"], cwd=ROOT, env=environment, stdout=out)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while "paydesk: ready" not in log.read_text():
            assert stack.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        stack.send_signal(signal.SIGTERM)
        stack.wait(30)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
