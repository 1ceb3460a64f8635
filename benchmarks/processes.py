"""Starts what is measured as processes of its own, and reads from Linux what CPU time they took."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from config.supervisor import end_with_parent

ROOT: Final = Path(__file__).resolve().parent.parent
STOP_SECONDS: Final = 20


class BenchmarkError(Exception):
    """A part cannot be measured; the message says why."""


def environment(**settings: str) -> dict[str, str]:
    """This environment with `settings`, and every other setting of Paydesk absent, whatever the shell says."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    names = re.findall(r"^(?:# ?)?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE)
    kept = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in names}
    return {**kept, **dict.fromkeys(names, ""), **settings}


def speak(module: str, *arguments: str, env: Mapping[str, str], python: Path = Path(sys.executable)) -> Any:
    """What `python -m module` says: the JSON in the last line of its output."""
    command = [str(python), "-m", module, *arguments]
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, preexec_fn=_depend_on_us)
    if ended.returncode or not ended.stdout:
        raise BenchmarkError(f"{module} failed:\n{ended.stderr[-3000:]}")
    return json.loads(ended.stdout.splitlines()[-1])


@contextmanager
def running(command: Sequence[str], *, env: Mapping[str, str], log: Path) -> Iterator[int]:
    """The process id of a server, which is told to stop at the end."""
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output, preexec_fn=_depend_on_us)
    try:
        yield server.pid
    finally:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _depend_on_us() -> None:
    end_with_parent(signal.SIGTERM)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(descendant for child in children for descendant in family(int(child)))]


def cpu_seconds(pids: Iterable[int]) -> dict[int, float]:
    """User and system time of each process that can be seen on this machine; none where there is no /proc."""
    tick = os.sysconf("SC_CLK_TCK")
    times = {}
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        times[pid] = (int(fields[11]) + int(fields[12])) / tick  # utime and stime (proc(5))
    return times


def cpu_between(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """Processes that began in between count from nothing."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())
