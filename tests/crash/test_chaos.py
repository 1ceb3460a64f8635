"""The chaos run in small, and with one kind of fault alone. `make reliability` runs it in full."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.db import connection

from tests.crash.chaos import plan
from tests.crash.matrix import POSTGRESQL, row
from tests.crash.record import Tally
from tests.sandbox import ROOT

CHECKOUTS = 60
PATIENCE_SECONDS = 600


class Chaos:
    """Runs it in a process of its own, on servers of its own."""

    def __init__(self, folder: Path, chance: Random, tally: Tally) -> None:
        self._file = folder / "figures.json"
        self._seed = chance.getrandbits(32)
        self._tally = tally

    def run(self, *kinds: str, checkouts: int = CHECKOUTS, every: float) -> dict[str, Any]:
        """The figures of a run in which every invariant held."""
        arguments = ["--checkouts", str(checkouts), "--every", str(every), "--seed", str(self._seed)]
        arguments += ["--json", str(self._file), *(f"--only={kind}" for kind in kinds)]
        arguments += ["--sqlite"] if connection.vendor == "sqlite" else []
        command = [sys.executable, "-m", "tests.crash.chaos", *arguments]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-4000:]
        figures: dict[str, Any] = json.loads(self._file.read_text())
        self._tally.cases = sum(figures["faults"].values())
        return figures


@pytest.fixture
def chaos(tmp_path: Path, chance: Random, tally: Tally) -> Chaos:
    return Chaos(tmp_path, chance, tally)


def on_postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("it restarts PostgreSQL and Redis, and this run is the one without them")


@row("faults of all kinds in a row under load, drawn from a seed")
def test_everything_that_can_fail_does(chaos: Chaos) -> None:
    figures = chaos.run(every=1)

    assert sum(figures["ends"].values()) == CHECKOUTS
    assert len(figures["faults"]) > 10


@row("PostgreSQL restarted, and crashed, every few seconds under load", databases=POSTGRESQL)
def test_a_database_that_keeps_going_away_loses_nothing(chaos: Chaos) -> None:
    on_postgresql()

    figures = chaos.run("PostgreSQL restarted", "PostgreSQL crashed", every=8)

    assert sum(figures["faults"].values()) >= 3


@row("a storm of pg_terminate_backend under load", databases=POSTGRESQL)
def test_connections_that_are_cut_all_the_time_lose_nothing(chaos: Chaos) -> None:
    on_postgresql()

    figures = chaos.run("pg_terminate_backend of one", "pg_terminate_backend of all", every=1)

    assert sum(figures["faults"].values()) >= CHECKOUTS // 2


@row("Redis killed, and flushed, again and again under load", databases=POSTGRESQL)
def test_without_redis_nothing_is_lost_and_nothing_fails(chaos: Chaos) -> None:
    on_postgresql()

    figures = chaos.run(*plan.REDIS, every=2)

    assert sum(figures["faults"].values()) >= CHECKOUTS // 4
    assert not figures["answers"].keys() & {"500", "503"}
