"""The web server as it is run: a process of its own on a free port."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import urllib3
from django.conf import settings

ask = partial(urllib3.request, retries=False, timeout=20.0)
"""Once, and patiently: a second try would be counted and logged too."""
ARGUMENTS = [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(log: Path, environment: dict[str, str]) -> Iterator[str]:
    """The address of a server that answers; it is told to stop afterwards, and its log is complete then."""
    port = free_port()
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            ARGUMENTS, env=environment | {"PORT": str(port)}, stderr=stderr, stdout=stderr, cwd=settings.BASE_DIR
        )
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def read(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_every_line_of_the_server_is_one_of_ours(log: Path, process_environment: dict[str, str]) -> None:
    with running(log, process_environment | {"LOG_FORMAT": "json"}) as address:
        answer = ask("GET", f"{address}/healthz?card=4242424242424242", headers={"X-Request-ID": "abc"})

    assert answer.json() == {"status": "ok"}
    lines = read(log)
    assert all({"event", "level", "logger", "timestamp"} <= line.keys() for line in lines)
    assert "gunicorn.error" in {line["logger"] for line in lines}
    [finished] = [line for line in lines if line["event"] == "request_finished"]
    assert (finished["request_id"], finished["path"]) == ("abc", "/healthz")
    assert "card" not in log.read_text()


def test_a_body_in_chunks_is_read_over_the_wire(log: Path, process_environment: dict[str, str]) -> None:
    with running(log, process_environment) as address:
        url, headers = f"{address}/v1/orders", {"Content-Type": "application/json"}
        small = ask("POST", url, body=iter([b'{"a"', b": 1}"]), headers=headers)
        large = ask("POST", url, body=iter([b" " * 65_536] * 20), headers=headers)

    assert small.status == 401
    assert (large.status, large.json()["code"]) == (413, "too_large")


def test_several_processes_are_counted_as_one(log: Path, process_environment: dict[str, str]) -> None:
    with running(log, process_environment | {"WEB_CONCURRENCY": "2", "WEB_THREADS": "2"}) as address:
        for _ in range(12):
            ask("GET", f"{address}/healthz", headers={"Connection": "close"})
        text = ask("GET", f"{address}/metrics").data.decode()

    assert 'paydesk_http_requests_total{method="GET",route="healthz",status="200"} 12.0' in text


def test_faults_in_the_settings_are_named_without_a_traceback(process_environment: dict[str, str]) -> None:
    done = subprocess.run(
        ARGUMENTS, env=process_environment | {"LOG_FORMAT": "xml"}, capture_output=True, text=True, timeout=30,
        cwd=settings.BASE_DIR,
    )  # fmt: skip

    assert done.returncode == 1
    assert "LOG_FORMAT: 'xml' is not one of console, json" in done.stderr
    assert "Traceback" not in done.stderr
