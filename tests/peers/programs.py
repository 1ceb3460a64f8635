"""Imitations of gateways, which the tests ask what Paydesk's own sandbox cannot tell: are we understood?

Those of Stripe are other people's, each in an environment of its own, installed once into the checkout's `var`. None is
a dependency of Paydesk, and none is imported by it: `localstripe` is under the GPL. Of Adyen there is none to install;
`tests/peers/adyen.py` stands in for it, and is a process of its own too.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
CACHE: Final = ROOT / "var" / "peers"
INSTALL_SECONDS: Final = 300
HAVE_ANSWERED: Final = "PAYDESK_PEERS_HAVE_ANSWERED"
"""In the environment of the second database's run: what a peer answers does not depend on the database."""

# Its dump to one fixed file, which it would never read again, is left out: several would be at that file at once.
_SERVE_LOCALSTRIPE: Final = """
import sys
from aiohttp import web
from localstripe.resources import Store
Store.dump_to_disk = lambda store: None
from localstripe.server import app
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""


class MissingError(Exception):
    """A peer cannot be had here; the message says why."""


@dataclass(frozen=True)
class Program:
    """How a peer is installed into a folder, and started from there on a port.

    `installation` is the list of commands for a folder; what it `needs` has to be on PATH.
    """

    name: str
    version: str
    needs: Sequence[str]
    installation: Callable[[Path], Sequence[Sequence[str]]]
    command: Callable[[Path, int], Sequence[str]]
    environment: Callable[[int], Mapping[str, str]]
    cache: Path = CACHE

    @property
    def folder(self) -> Path:
        return self.cache / f"{self.name}-{self.version}"


def _install_localstripe(folder: Path) -> Sequence[Sequence[str]]:
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return [
        [sys.executable, "-m", "venv", str(folder)],
        [*pip, "--retries", "1", "--only-binary", "aiohttp", f"localstripe=={LOCALSTRIPE.version}"],
    ]


def _install_stateful_mock(folder: Path) -> Sequence[Sequence[str]]:
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"]
    package = f"{STATEFUL_MOCK.name}@{STATEFUL_MOCK.version}"
    return [["npm", "install", "--prefix", str(folder), *quiet, package]]


LOCALSTRIPE: Final = Program(
    "localstripe",
    "1.15.10",
    needs=(),
    installation=_install_localstripe,
    command=lambda folder, port: [str(folder / "bin" / "python"), "-c", _SERVE_LOCALSTRIPE, str(port)],
    environment=lambda port: {},
)
"""PaymentIntents, 3DS, webhooks."""

STATEFUL_MOCK: Final = Program(
    "stripe-stateful-mock",
    "0.0.16",
    needs=("node", "npm"),
    installation=_install_stateful_mock,
    command=lambda folder, port: ["node", str(folder / "node_modules" / "stripe-stateful-mock" / "dist" / "cli.js")],
    environment=lambda port: {"PORT": str(port), "LOG_LEVEL": "error"},
)
"""The older Charges API, with idempotency keys."""

ADYEN: Final = Program(
    "adyen",
    "v71",
    needs=(),
    installation=lambda folder: [],
    command=lambda folder, port: [sys.executable, "-P", str(ROOT / "tests" / "peers" / "adyen.py"), str(port)],
    environment=lambda port: {},
)
"""The Checkout API. Its stand-in needs Adyen's library, which signs its events."""

PROGRAMS: Final = (LOCALSTRIPE, STATEFUL_MOCK)


@cache
def obtain(program: Program) -> Path:
    """The folder it is installed in, after installing it where nobody has yet. Raise MissingError."""
    if lacking := [each for each in program.needs if not shutil.which(each)]:
        raise MissingError(f"no {' and no '.join(lacking)} on PATH")
    with _alone(program.cache):
        if not _is_complete(program).exists():
            _install(program)
    return program.folder


def _install(program: Program) -> None:
    shutil.rmtree(program.folder, ignore_errors=True)
    program.folder.mkdir()
    for command in program.installation(program.folder):
        _run(command)
    _is_complete(program).touch()


def _is_complete(program: Program) -> Path:
    """Made last: an installation that was broken off does not have it."""
    return program.folder / "is-complete"


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=True)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines() or [f"status {error.returncode}"]
        raise MissingError(f"cannot be installed: {said[-1]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"cannot be installed: {error}") from error


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """One process at a time, of all that share the checkout."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def environment() -> dict[str, str]:
    """What a peer gets to see of this process's environment: none of its settings."""
    return {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "PATH", "TMPDIR")}
