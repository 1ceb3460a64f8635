"""`python -m config.demo [NUMBER]...`: play all scenarios, or those of these numbers."""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from config.demo.registry import Scenario, Told, run
from config.demo.scenarios import SCENARIOS
from config.demo.shop import Shop
from config.demo.stack import Stack, StackFailed

INTERRUPTED: Final = 130
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _chosen(arguments)
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    started = time.monotonic()
    try:
        is_ok = _play(chosen)
    except StackFailed as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return INTERRUPTED
    print(f"demo: {'every scenario ended as it must' if is_ok else 'FAILED'} ({time.monotonic() - started:.0f} s)")
    return 0 if is_ok else 1


def _chosen(arguments: Sequence[str] | None) -> Mapping[int, Scenario]:
    parser = argparse.ArgumentParser(prog="python -m config.demo", description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER", help=f"of {', '.join(map(str, _numbers()))}")
    numbers = parser.parse_args(arguments).numbers or _numbers()
    if unknown := sorted(set(numbers) - set(SCENARIOS)):
        parser.error(f"there is no scenario {', '.join(map(str, unknown))}")
    return {number: SCENARIOS[number] for number in numbers}


def _numbers() -> list[int]:
    return sorted(SCENARIOS)


def _play(scenarios: Mapping[int, Scenario]) -> bool:
    with tempfile.TemporaryDirectory(prefix="paydesk-demo-") as folder, Stack(Path(folder)) as stack:
        print(f"demo: Paydesk runs at {stack.url}, its sandbox gateway at {stack.sandbox_url}", flush=True)
        try:
            return run(scenarios, Shop(stack), _report)
        finally:
            _ignore_signals()


def _report(told: Told) -> None:
    print(f"scenario {told.number}: {'ok' if told.is_ok else 'FAILED'}")
    for line in told.lines:
        print(f"  {line}")
    sys.stdout.flush()


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """From here on the stack is taken down, and that is not to be cut short."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
