"""Tables whose rows are facts: the database itself refuses to change or remove them."""

from collections.abc import Callable
from typing import Any

from django.db import migrations

_MAKE = {
    "postgresql": [
        """
        CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$
        """,
        """
        CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION {table}_is_append_only()
        """,
    ],
    "sqlite": [
        "CREATE TRIGGER {table}_refuses_update BEFORE UPDATE ON {table} "
        "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
        "CREATE TRIGGER {table}_refuses_delete BEFORE DELETE ON {table} "
        "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
    ],
}
_UNMAKE = {
    "postgresql": [
        "DROP TRIGGER {table}_is_append_only ON {table}",
        "DROP FUNCTION {table}_is_append_only()",
    ],
    "sqlite": ["DROP TRIGGER {table}_refuses_update", "DROP TRIGGER {table}_refuses_delete"],
}
_MAKE_UNCHANGED = {
    "postgresql": [text.replace("UPDATE OR DELETE", "UPDATE") for text in _MAKE["postgresql"]],
    "sqlite": _MAKE["sqlite"][:1],
}
_UNMAKE_UNCHANGED = {"postgresql": _UNMAKE["postgresql"], "sqlite": _UNMAKE["sqlite"][:1]}


def append_only(table: str) -> migrations.RunPython:
    """The migration operation that closes `table` to UPDATE and DELETE.

    SQLite drops a table's triggers when it rebuilds the table: a later migration that alters it does this again.
    """
    return migrations.RunPython(_runner(_MAKE, table), _runner(_UNMAKE, table))


def never_changed(table: str) -> migrations.RunPython:
    """The same for UPDATE alone: rows may be pruned when they are old."""
    return migrations.RunPython(_runner(_MAKE_UNCHANGED, table), _runner(_UNMAKE_UNCHANGED, table))


def _runner(statements: dict[str, list[str]], table: str) -> Callable[[Any, Any], None]:
    def run(_apps: Any, schema_editor: Any) -> None:
        for statement in statements[schema_editor.connection.vendor]:
            schema_editor.execute(statement.format(table=table))

    return run
