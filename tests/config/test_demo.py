"""What `make demo` says and how it ends. That the scenarios themselves hold is what the demo proves."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.demo.registry import Scenario, Told, Unexpected, require_equal, run, scenario
from config.demo.scenarios import SCENARIOS
from config.demo.shop import Shop
from config.demo.stack import Stack, StackFailed

ROOT = Path(__file__).resolve().parents[2]

SHOP = object.__new__(Shop)
"""A shop that nobody asks for anything."""


def play(*scenarios: Scenario) -> tuple[bool, list[Told]]:
    told: list[Told] = []
    return run(dict(enumerate(scenarios, start=1)), SHOP, told.append), told


def fine(_shop: Shop) -> list[str]:
    return ["all of it"]


def disappointed(_shop: Shop) -> list[str]:
    require_equal("captured by the journal", [25, 25], [25])
    return []


def broken(_shop: Shop) -> list[str]:
    raise ConnectionError("nobody there")


def test_what_every_scenario_saw_is_told() -> None:
    assert play(fine, fine) == (True, [Told(1, True, ["all of it"]), Told(2, True, ["all of it"])])


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        (disappointed, "captured by the journal: [25, 25] instead of [25]"),
        (broken, "ConnectionError: nobody there"),
    ],
)
def test_a_scenario_that_fails_says_why_and_the_others_are_played(failing: Scenario, reason: str) -> None:
    is_ok, told = play(failing, fine)

    assert not is_ok
    assert told == [Told(1, False, [reason]), Told(2, True, ["all of it"])]


def test_a_number_stands_for_one_scenario() -> None:
    with pytest.raises(ValueError, match="two scenarios 1"):
        scenario(1)(fine)


def test_every_scenario_says_what_it_proves() -> None:
    assert all((play.__doc__ or "").endswith(".") for play in SCENARIOS.values())


def test_an_unexpected_thing_is_told_in_lines() -> None:
    def wordy(_shop: Shop) -> list[str]:
        raise Unexpected("one\ntwo")

    assert play(wordy)[1][0].lines == ["one", "two"]


ONE_THAT_FAILS = """
import sys
from config.demo.__main__ import main
from config.demo.registry import require_equal, scenario

@scenario(98)
def fails(shop):
    require_equal("the order", shop.get("/v1/orders/" + shop.place_order())["status"], "completed")

sys.exit(main())
"""


def demo(
    folder: Path, *arguments: str, program: tuple[str, ...] = ("-m", "config.demo"), **environment: str
) -> "subprocess.Popen[str]":
    """The demo as a process with a group of its own, as a shell starts it; its temporary files are under `folder`."""
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def is_group_gone(group: int) -> bool:
    """Whether all its processes have ended, those that were adopted by init too."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_demo_takes_its_stack_along(number: signal.Signals, tmp_path: Path) -> None:
    with demo(tmp_path, "9") as process:
        assert process.stdout
        assert process.stdout.readline().startswith("demo: Paydesk runs at ")

        if number == signal.SIGINT:  # Ctrl-C reaches the whole group
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        output = process.communicate(timeout=40)[0]

    assert process.returncode == 130
    assert output == "demo: interrupted\n"
    assert is_group_gone(process.pid)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_scenario_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with demo(tmp_path, "99") as process:
        output = process.communicate(timeout=30)[0]

    assert process.returncode == 2
    assert "there is no scenario 99" in output


def test_a_stack_that_does_not_start_is_said_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "paydesk.sqlite3").mkdir()

    with (
        pytest.raises(StackFailed, match=r"(?s)did not start; its last lines were:.*could not be prepared"),
        Stack(tmp_path),
    ):
        pass


def test_one_failed_scenario_is_a_non_zero_exit_and_nothing_is_left_behind(tmp_path: Path) -> None:
    elsewhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing", "PORT": "1", "GATEWAYS": "stripe"}
    with demo(tmp_path, "98", "2", program=("-c", ONE_THAT_FAILS), **elsewhere) as process:
        output = process.communicate(timeout=90)[0]

    assert process.returncode == 1
    assert "scenario 98: FAILED\n  the order: 'open' instead of 'completed'\ndemo: FAILED" in output
    assert re.search(r"^scenario 2: ok\n  2 answers of the same \d+ bytes;", output, re.MULTILINE)
    assert is_group_gone(process.pid)
    assert list(tmp_path.iterdir()) == []
