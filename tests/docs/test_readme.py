"""The README's session, pasted into a shell against a running stack, says what the README says it does."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
READY_SECONDS: Final = 60
SESSION: Final = re.compile(r"^```bash\n(.*?)^```\n(?:\n^```\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
IDS: Final = re.compile(r"\b(ord|saga|ch|req)_[0-9a-z]{26}\b")

BASH: Final = shutil.which("bash") or ""

pytestmark = pytest.mark.skipif(not (BASH and shutil.which("curl")), reason="needs bash and curl")


def session() -> list[tuple[str, str]]:
    """What is pasted, and what is shown below it."""
    return SESSION.findall((ROOT / "README.md").read_text(encoding="utf-8"))


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


def test_every_command_of_the_session_prints_what_stands_below_it(
    process_environment: dict[str, str], tmp_path: Path
) -> None:
    port, sandbox_port = str(free_port()), str(free_port())
    here = {
        ".venv/bin/python": sys.executable,
        ":8000": f":{port}",
        ":8001": f":{sandbox_port}",
        "var/": f"{tmp_path}/",
    }
    environment = process_environment | {"PORT": port, "SANDBOX_PORT": sandbox_port, "CHECKOUT_WAIT_SECONDS": "30"}
    script = "".join(f"{commands}\necho '#'\n" for commands, _ in session())
    for there, mine in here.items():
        script = script.replace(there, mine)

    with running_stack(environment, tmp_path / "stack.log"):
        ran = subprocess.run([BASH], input=script, cwd=ROOT, env=environment, capture_output=True, text=True)

    printed = [IDS.sub(r"\1_...", part) for part in ran.stdout.replace("\r", "").split("#\n")]
    assert ran.stderr == ""
    assert printed[:-1] == [IDS.sub(r"\1_...", shown) for _, shown in session()]
