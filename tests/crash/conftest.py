from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.crash import witness
from tests.crash.processes import Processes
from tests.payments.conftest import forget_adapters
from tests.sandbox import Sandbox

pytest.register_assert_rewrite("tests.crash.shop")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The oracle: it remembers what was really done, whoever is killed."""
    with Sandbox(tmp_path_factory.mktemp("sandbox") / "journal.sqlite3") as sandbox:
        yield sandbox


@pytest.fixture
def gateway(sandbox: Sandbox, settings: Settings) -> Iterator[Sandbox]:
    """The same sandbox, for what is done in the test's own process; it is not waited for long."""
    sandbox.clear_faults()
    settings.SANDBOX_GATEWAY_URL = sandbox.url
    settings.GATEWAY_TIMEOUT_SECONDS = 0.4
    forget_adapters()
    yield sandbox
    sandbox.clear_faults()
    forget_adapters()


@pytest.fixture
def watched(db: None) -> Iterator[None]:
    """The witness looks on while the test lasts."""
    with witness.watching():
        yield


@pytest.fixture
def processes(process_environment: dict[str, str], sandbox: Sandbox) -> Iterator[Processes]:
    with Processes(process_environment | {"SANDBOX_GATEWAY_URL": sandbox.url, "LOG_LEVEL": "ERROR"}) as processes:
        yield processes
