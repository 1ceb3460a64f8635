from collections.abc import Iterator

import pytest

from tests.crash.processes import Processes
from tests.sandbox import Sandbox

pytest.register_assert_rewrite("tests.crash.shop")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The oracle: it remembers what was really done, whoever is killed."""
    with Sandbox(tmp_path_factory.mktemp("sandbox") / "journal.sqlite3") as sandbox:
        yield sandbox


@pytest.fixture
def processes(process_environment: dict[str, str], sandbox: Sandbox) -> Iterator[Processes]:
    with Processes(process_environment | {"SANDBOX_GATEWAY_URL": sandbox.url, "LOG_LEVEL": "ERROR"}) as processes:
        yield processes
