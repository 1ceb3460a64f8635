"""The supervisor and its children are real processes: what matters here is what the operating system does to them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SLEEP = "import os, time; print(f'sleeping {os.getpid()}', flush=True); time.sleep(60)"
SUPERVISE = """
import os, sys
from config.supervisor import Child, StopRequest, supervise

say = lambda line: print(line, flush=True)
child = Child("the sleeper", [sys.executable, "-c", sys.argv[1]], os.environ, say)
supervise([[child]], StopRequest(), lambda: None)
"""


@contextmanager
def supervisor(child: str, *, wrapper: str = SUPERVISE) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", wrapper, child], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # which nohup had ignored for all of the tests
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def next_pid(process: "subprocess.Popen[str]") -> int:
    assert process.stdout
    return next(int(line.split()[1]) for line in process.stdout if line.startswith("sleeping "))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_a_killed_child_is_started_again() -> None:
    with supervisor(SLEEP) as process:
        first = next_pid(process)
        os.kill(first, signal.SIGKILL)

        second = next_pid(process)

        assert second != first
        assert is_running(second)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_its_child(number: signal.Signals) -> None:
    with supervisor(SLEEP) as process:
        child = next_pid(process)

        process.send_signal(number)

        assert process.wait(10) == 0
        assert not is_running(child)


def test_a_second_signal_kills_what_does_not_want_to_end() -> None:
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
    with supervisor(stubborn) as process:
        child = next_pid(process)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert is_running(child)

        process.send_signal(signal.SIGTERM)

        assert process.wait(5) == 0
        assert not is_running(child)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
def test_the_child_ends_when_the_supervisor_is_killed() -> None:
    with supervisor(SLEEP) as process:
        child = next_pid(process)

        process.kill()

        assert eventually(lambda: not is_running(child))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_ends_when_its_parent_is_killed() -> None:
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SUPERVISE!r}, sys.argv[1]])"
    with supervisor(SLEEP, wrapper=parent) as process:
        child = next_pid(process)

        process.kill()

        assert eventually(lambda: not is_running(child))


def test_repeated_short_lives_are_a_fault_that_names_the_child() -> None:
    impatient = """
import os, sys, time
from config.supervisor import Child

child = Child("the worker", [sys.executable, "-c", "raise SystemExit(3)"], os.environ, print)
now = time.monotonic()
while True:
    child.keep_alive(now)
    while child.is_running:
        time.sleep(0.01)
    now += 5
"""
    with supervisor("", wrapper=impatient) as process:
        output = process.communicate(timeout=20)[0]

    assert process.returncode == 1
    assert "SupervisionError: the worker exited with status 3, 3 times in a row" in output
