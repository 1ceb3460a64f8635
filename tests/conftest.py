"""Keeps parallel test processes apart, and lets processes that a test starts reach what the test itself uses."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
from django.conf import settings
from django.db import connection


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--schema-examples", type=int, default=50, help="schemathesis' examples for each operation (50)")
    parser.addoption("--schema-seed", type=int, default=1, help="schemathesis' seed: the same requests each time (1)")
    parser.addoption("--storm", type=int, default=600, help="webhooks while servers and workers are killed (600)")
    parser.addoption("--rush", type=int, default=60, help="checkouts at a peer whose answers are lost at random (60)")


def pytest_configure() -> None:
    """Give each of pytest-xdist's workers a Redis database of its own, before anything has connected to it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    if settings.REDIS_URL:
        settings.REDIS_URL = _redis_database(settings.REDIS_URL, offset=int(worker.removeprefix("gw")))
        settings.CACHES["default"]["LOCATION"] = settings.REDIS_URL


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep SQLite's test database in a file instead of memory: other processes have to open it too."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def flush_append_only_tables() -> Iterator[None]:
    """Let the flush after a transactional test empty append-only tables: SQLite deletes, PostgreSQL truncates."""
    flush = connection.ops.sql_flush

    def flush_past_triggers(*arguments: Any, **options: Any) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = dict(cursor.fetchall())
            for name in triggers:
                cursor.execute(f"DROP TRIGGER {name}")
        return [*flush(*arguments, **options), *triggers.values()]

    with pytest.MonkeyPatch.context() as patch:
        if connection.vendor == "sqlite":
            patch.setattr(connection.ops, "sql_flush", flush_past_triggers)
        yield


@pytest.fixture(autouse=True)
def no_breakers_of_tests_remain() -> Iterator[None]:
    """Redis knows nothing of a test's end, as the database does."""
    yield
    if settings.REDIS_URL:
        with redis.Redis.from_url(settings.REDIS_URL) as client, contextlib.suppress(redis.RedisError):
            client.delete(*client.keys("paydesk:breaker:*") or ["none"])


@pytest.fixture
def process_environment(transactional_db: None, tmp_path: Path) -> dict[str, str]:
    """The environment for a process that a test starts: this test's own database, Redis and sandbox journal."""
    return os.environ | {
        "APP_ENV": "dev",
        "DATABASE_URL": _database_url(),
        "REDIS_URL": settings.REDIS_URL or "",
        "SANDBOX_JOURNAL": str(tmp_path / "sandbox.sqlite3"),
        "PYTHONUNBUFFERED": "1",
    }


def _database_url() -> str:
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}"))


def _redis_database(url: str, *, offset: int) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{int(parts.path.strip('/') or 0) + offset}"))
