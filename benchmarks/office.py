"""The back office with a hundred thousand orders behind it, beside the same pages with a hundred and fifty."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks import places, processes
from tests.sandbox import SECRET, Sandbox
from tests.services import Service

COPIES: Final = 667
"""Of the demo's 150 orders: a hundred thousand."""


@dataclass(frozen=True)
class Size:
    """Copies of each of the demo's orders, and how often each page is opened."""

    copies: int
    rounds: int


def measure(postgresql: Service, size: Size) -> dict[str, Any]:
    """What each page took with few orders, the reference, and with many."""
    return {"few": _side(postgresql, 0, size.rounds), "many": _side(postgresql, size.copies, size.rounds)}


def _side(postgresql: Service, copies: int, rounds: int) -> Any:
    with (
        places.database(postgresql, "office") as address,
        TemporaryDirectory() as folder,
        Sandbox(Path(folder) / "journal.sqlite3") as sandbox,
    ):
        env = processes.environment(
            DJANGO_SETTINGS_MODULE="config.settings", DATABASE_URL=address, LOG_LEVEL="ERROR",
            SANDBOX_GATEWAY_URL=sandbox.url, SANDBOX_WEBHOOK_SECRETS=SECRET,
        )  # fmt: skip
        return processes.speak("benchmarks.pages", str(copies), str(rounds), env=env)
