"""The rows of the table in `docs/reliability.md`: a test says of itself what it does to Paydesk and what must hold."""

from dataclasses import dataclass
from typing import Final

import pytest

ALL: Final = "every invariant"
BOTH: Final = "both"
POSTGRESQL: Final = "PostgreSQL"
SQLITE: Final = "SQLite"


def row(fault: str, *, holds: str = ALL, databases: str = BOTH) -> pytest.MarkDecorator:
    """A row: what is done, what has to hold, and on which databases it makes sense."""
    return pytest.mark.matrix(fault=fault, holds=holds, databases=databases)


@dataclass(frozen=True)
class Elsewhere:
    """A row that tests outside of `tests/crash` prove already. `test` is the name of one of them, or of a class."""

    fault: str
    holds: str
    test: str


ELSEWHERE: Final[tuple[Elsewhere, ...]] = ()
