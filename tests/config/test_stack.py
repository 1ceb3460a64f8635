"""`make run`: what it refuses, and that it serves until it is told to stop and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "config.stack")


def run_stack(**environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        COMMAND, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=30, check=False
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def status_of(port: int, path: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return int(answer.status)


@pytest.mark.parametrize("name", ["PORT", "SANDBOX_PORT"])
@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1"])
def test_what_is_no_port_is_refused(name: str, port: str) -> None:
    ended = run_stack(**{name: port})

    assert ended.returncode == 1
    assert f"  - {name}: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_one_port_for_both_servers_is_refused() -> None:
    ended = run_stack(PORT="8001", SANDBOX_PORT="")

    assert ended.returncode == 1
    assert ended.stderr == "paydesk: PORT and SANDBOX_PORT are both 8001\n"


def test_a_port_in_use_is_said_before_anything_is_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = run_stack(PORT=str(port))

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == f"paydesk: port {port} is in use: end what listens there, or set PORT to another\n"


def test_it_serves_until_it_is_told_to_stop(process_environment: dict[str, str]) -> None:
    port, sandbox_port = free_port(), free_port()
    environment = process_environment | {"PORT": str(port), "SANDBOX_PORT": str(sandbox_port)}
    with subprocess.Popen(COMMAND, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as stack:
        assert stack.stdout
        assert any("paydesk: ready" in line for line in stack.stdout)
        assert status_of(port, "/readyz") == status_of(sandbox_port, "/journal") == 200

        stack.send_signal(signal.SIGTERM)

        assert "paydesk: stopped\n" in stack.stdout
        assert stack.wait(10) == 0
    for closed in (port, sandbox_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", closed)) != 0
