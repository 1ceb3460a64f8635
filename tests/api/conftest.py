from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.payments.conftest import forget_adapters
from tests.sandbox import Sandbox


@pytest.fixture(scope="session")
def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox") / "journal.sqlite3") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox, settings: Settings) -> Iterator[Sandbox]:
    """A sandbox without faults, for the test's own process and, by `served`, for those it starts."""
    running_sandbox.clear_faults()
    settings.SANDBOX_GATEWAY_URL = running_sandbox.url
    settings.GATEWAY_TIMEOUT_SECONDS = 0.6
    forget_adapters()
    yield running_sandbox
    running_sandbox.clear_faults()
    forget_adapters()


@pytest.fixture
def served(process_environment: dict[str, str], sandbox: Sandbox) -> dict[str, str]:
    """The environment of a web server on this test's database and sandbox."""
    return process_environment | {"SANDBOX_GATEWAY_URL": sandbox.url, "GATEWAY_TIMEOUT_SECONDS": "0.6"}
