"""The key store goes away in the middle of a request, after its token and its order were read: nothing runs."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, Final

import psycopg
import pytest
from django.db import connection

from payments.models import IdempotencyKey
from tests.api import calls
from tests.api.endpoints import Endpoint, endpoints
from tests.api.tables import contents
from tests.payments.builders import Api
from tests.processes import wait_until
from tests.sandbox import Sandbox

POSTS: Final = [endpoint for endpoint in endpoints() if endpoint.takes_key]
KEYS: Final = IdempotencyKey._meta.db_table

pytestmark = [pytest.mark.parametrize("post", POSTS, ids=str), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def api(sandbox: Sandbox) -> Api:
    return Api(calls.everything())


def assert_nothing_ran(
    api: Api, request: calls.Request, refused: Any, before: Any, sandbox: Sandbox, made: int
) -> None:
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert int(refused["Retry-After"]) >= 1
    assert (contents(), len(sandbox.journal())) == (before, made)
    assert api.post(request.path, request.body, key="k").status_code in (200, 201)


@contextmanager
def another_connection() -> Iterator["psycopg.Connection[Any]"]:
    known = connection.get_connection_params()
    names = {"dbname", "user", "password", "host", "port"}
    with psycopg.connect(**{name: known[name] for name in names & known.keys()}, autocommit=True) as other:
        yield other


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is a file: there is no connection to break off")
def test_a_connection_that_breaks_while_the_key_is_written(api: Api, sandbox: Sandbox, post: Endpoint) -> None:
    request = calls.request(post, api)
    before, made = contents(), len(sandbox.journal())

    def send() -> Any:
        try:
            return api.post(request.path, request.body, key="k")
        finally:
            connection.close()

    with another_connection() as killer, another_connection() as holder, holder.transaction():
        holder.execute(f"LOCK TABLE {KEYS} IN EXCLUSIVE MODE")  # it can be read, and not written
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(send)
            wait_until(lambda: _waiting(killer))
            killer.execute("SELECT pg_terminate_backend(%s)", _waiting(killer))
        refused = answer.result()

    assert_nothing_ran(api, request, refused, before, sandbox, made)


def _waiting(other: "psycopg.Connection[Any]") -> Any:
    """The process that waits for the lock."""
    found = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
    return other.execute(found, [KEYS]).fetchone()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL locks rows: nobody can lock all of it")
def test_a_file_that_stays_locked(api: Api, sandbox: Sandbox, post: Endpoint) -> None:
    request = calls.request(post, api)
    before, made = contents(), len(sandbox.journal())
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 100")

    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        refused = api.post(request.path, request.body, key="k")
        holder.execute("ROLLBACK")

    assert_nothing_ran(api, request, refused, before, sandbox, made)
