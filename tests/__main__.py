"""`make test`: runs the suite on SQLite without Redis, then on PostgreSQL with Redis where they can be had."""

import argparse
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from config.supervisor import end_with_parent
from tests.browser import programs
from tests.peers import programs as peers
from tests.services import Service, ServiceError, postgresql, rabbitmq_programs, redis_server

ROOT: Final = Path(__file__).resolve().parent.parent
WORKERS: Final = "2"
INTERRUPTED: Final = 130


class Terminated(KeyboardInterrupt):
    """SIGTERM came: unlike Ctrl-C it reached this process alone."""


def main() -> int:
    options, pytest_arguments = _arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would pytest
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with ExitStack() as services:
            legs = _legs(options, services)
            outcomes = {name: _run(name, urls, options, pytest_arguments) for name, urls in legs.items()}
    except ServiceError as error:
        print(f"tests: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tests: interrupted", file=sys.stderr)
        return INTERRUPTED
    print("\n" + "; ".join(f"{name}: {'FAILED' if code else 'ok'}" for name, code in outcomes.items()))
    return next((code for code in outcomes.values() if code), 0)


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m tests", allow_abbrev=False, epilog="All else goes to pytest.")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--sqlite", action="store_true", help="run on SQLite only")
    one.add_argument("--postgresql", action="store_true", help="run on PostgreSQL only, with Redis where there is one")
    parser.add_argument("--coverage", action="store_true", help="record branch coverage of both runs together")
    return parser.parse_known_args()


def _legs(options: argparse.Namespace, services: ExitStack) -> dict[str, dict[str, str]]:
    """Name each run to make, and what is added to its environment."""
    _report_browser()
    _report_rabbitmq()
    _report_peers()
    legs: dict[str, dict[str, str]] = {} if options.postgresql else {"SQLite": {}}
    has_looked = {programs.HAS_LOOKED: "1", peers.HAVE_ANSWERED: "1"} if legs else {}
    if options.sqlite:
        return legs
    database = services.enter_context(postgresql(os.environ))
    redis = services.enter_context(redis_server(os.environ)) if database else None
    _report(database, redis, is_database_required=options.postgresql or _is_ci())
    if database and redis:
        legs["PostgreSQL and Redis"] = {"DATABASE_URL": database.url, "REDIS_URL": redis.url, **has_looked}
    elif database:
        legs["PostgreSQL"] = {"DATABASE_URL": database.url, **has_looked}
    return legs


def _report(database: Service | None, redis: Service | None, *, is_database_required: bool) -> None:
    print(f"PostgreSQL: {database.origin if database else 'not found (no TEST_DATABASE_URL, no initdb)'}", flush=True)
    if is_database_required and not database:
        raise ServiceError("PostgreSQL is required here: set TEST_DATABASE_URL or install PostgreSQL")
    if database:
        print(f"Redis: {redis.origin if redis else 'not found (no TEST_REDIS_URL, no redis-server)'}", flush=True)
    if _is_ci() and not redis:
        raise ServiceError("Redis is required here: set TEST_REDIS_URL or install redis-server")


def _report_browser() -> None:
    found = programs.find()
    print(f"Browser: {found.browser if found else programs.MISSING}", flush=True)
    if _is_ci() and not found:
        raise ServiceError("A browser is required here: install chromium and chromium-driver")


def _report_rabbitmq() -> None:
    """The tests that want it start a node of their own, when they come to it: that takes seconds."""
    programs = rabbitmq_programs()
    found = (
        "TEST_RABBITMQ_URL" if os.environ.get("TEST_RABBITMQ_URL") else programs and f"throw-away nodes of {programs}"
    )
    print(f"RabbitMQ: {found or 'not found (no TEST_RABBITMQ_URL, no rabbitmq-server): skipped'}", flush=True)
    if _is_ci() and not found:
        raise ServiceError("RabbitMQ is required here: set TEST_RABBITMQ_URL or install rabbitmq-server")


def _report_peers() -> None:
    """Installs them where nobody has yet, so that the tests find them."""
    for program in peers.PROGRAMS:
        try:
            found = f"{program.version} in {peers.obtain(program).relative_to(ROOT)}"
        except peers.MissingError as missing:
            found = f"not found ({missing}): skipped"
            if _is_ci():
                raise ServiceError(f"{program.name} is required here: {missing}") from missing
        print(f"{program.name}: {found}", flush=True)


def _is_ci() -> bool:
    return os.environ.get("CI") == "true"


def _run(name: str, urls: dict[str, str], options: argparse.Namespace, pytest_arguments: list[str]) -> int:
    print(f"\n=== {name} ===", flush=True)
    coverage = ["--cov", "--cov-append", "--cov-report=", "--cov-fail-under=0"] if options.coverage else []
    command = [sys.executable, "-m", "pytest", "-n", WORKERS, *coverage, *pytest_arguments]
    pytest = subprocess.Popen(
        command, cwd=ROOT, env=_environment() | urls, preexec_fn=lambda: end_with_parent(signal.SIGINT)
    )
    try:
        return pytest.wait()
    except KeyboardInterrupt as interruption:
        if isinstance(interruption, Terminated):
            pytest.send_signal(signal.SIGINT)
        pytest.wait()
        raise


def _environment() -> dict[str, str]:
    """This environment with every setting of Paydesk empty: absent, whatever the shell or a .env.dev says."""
    settings = re.findall(r"^(?:# ?)?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    files = {f"{name}_FILE" for name in settings}
    kept = {name: value for name, value in os.environ.items() if name not in files}
    # Gunicorn reads this one by itself, and does not take an empty one for an absent one.
    return kept | dict.fromkeys(settings, "") | {"WEB_CONCURRENCY": "1"}


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main())
