from collections.abc import Iterator

import pytest
from pytest_django import Settings

from payments.gateways import registry
from payments.sagas import registry as sagas
from tests.payments.builders import Api
from tests.sandbox import Sandbox

pytest.register_assert_rewrite("tests.payments.sagas.evidence")


@pytest.fixture(autouse=True)
def no_sagas_of_tests_remain() -> Iterator[None]:
    known = dict(sagas._DEFINITIONS)
    yield
    sagas._DEFINITIONS.clear()
    sagas._DEFINITIONS.update(known)


@pytest.fixture(scope="session")
def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox") / "journal.sqlite3") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox, settings: Settings) -> Iterator[Sandbox]:
    """A sandbox without faults that Paydesk talks to, and does not wait long for; each test keeps to its own orders."""
    running_sandbox.clear_faults()
    settings.SANDBOX_GATEWAY_URL = running_sandbox.url
    settings.GATEWAY_TIMEOUT_SECONDS = 0.6
    settings.GATEWAY_BREAKER_FAILURES = 10_000  # A test's faults go on for as long as it says. Breakers have their own.
    forget_adapters()
    yield running_sandbox
    running_sandbox.clear_faults()
    forget_adapters()


def forget_adapters() -> None:
    """Adapters are made once in each process, with the settings of that moment."""
    registry._made.cache_clear()
    registry.carrier.cache_clear()


@pytest.fixture
def api(db: None, sandbox: Sandbox) -> Api:
    return Api()
