"""Throw-away databases on the server that the tests would use, and what is to be known of that server."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests import services
from tests.services import Service


def postgresql() -> AbstractContextManager[Service | None]:
    return services.postgresql(os.environ)


def redis_server() -> AbstractContextManager[Service | None]:
    """One of its own where that is possible: nobody else's keys are then in the way, and none stay behind."""
    return services.redis_server({} if shutil.which("redis-server") else os.environ)


@contextmanager
def database(server: Service, purpose: str) -> Iterator[str]:
    """The address of a new database, dropped at the end whoever is still connected to it."""
    name = f"paydesk_bench_{purpose}_{secrets.token_hex(4)}"
    _execute(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(server.url)._replace(path=f"/{name}"))
    finally:
        _execute(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _execute(server: Service, statement: sql.Composed) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(statement)


def durability(server: Service) -> dict[str, str]:
    """What a commit means on this server: the same for everything measured on it."""
    with psycopg.connect(server.url) as connection:
        return {name: _shown(connection, name) for name in ("fsync", "synchronous_commit", "full_page_writes")}


def _shown(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else ""


def backends(server: Service, database_url: str) -> list[int]:
    """The processes of this server that work for one database."""
    name = urlsplit(database_url).path.removeprefix("/")
    with psycopg.connect(server.url) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [name]).fetchall()
    return [pid for (pid,) in rows]
