from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.payments.sandbox.shop import Shop
from tests.sandbox import Sandbox


@pytest.fixture(scope="session")
def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox") / "journal.sqlite3") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Iterator[Sandbox]:
    """A sandbox without faults, shared by tests that keep to their own orders and keys."""
    yield running_sandbox
    running_sandbox.clear_faults()


@pytest.fixture
def own_sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox with an empty journal, for tests that look at all of it or end the process."""
    with Sandbox(tmp_path / "journal.sqlite3") as sandbox:
        yield sandbox


NUMBERS = count(1)


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    return Shop(sandbox, order=f"ord_{next(NUMBERS)}")


@pytest.fixture
def own_shop(own_sandbox: Sandbox) -> Shop:
    return Shop(own_sandbox, order="ord_own")
