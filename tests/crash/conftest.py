import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from random import Random

import pytest
from pytest_django import Settings

from tests.crash import witness
from tests.crash.processes import Processes
from tests.crash.record import OPTION, Tally
from tests.crash.shop import Shop
from tests.payments.conftest import forget_adapters
from tests.sandbox import Sandbox


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
def crash_environment(process_environment: dict[str, str], sandbox: Sandbox) -> dict[str, str]:
    """For processes that may be killed: they talk to the oracle."""
    return process_environment | {"SANDBOX_GATEWAY_URL": sandbox.url, "LOG_LEVEL": "ERROR"}


@pytest.fixture
def open_shop(crash_environment: dict[str, str], sandbox: Sandbox, watched: None) -> Iterator[Callable[..., Shop]]:
    """Opens shops; settings for their processes may be given."""
    sandbox.clear_faults()
    with ExitStack() as processes:

        def open_one(**settings: str) -> Shop:
            return Shop(processes.enter_context(Processes(crash_environment | settings)), sandbox)

        yield open_one
    sandbox.clear_faults()


@pytest.fixture
def shop(open_shop: Callable[..., Shop]) -> Shop:
    return open_shop()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Counts the cases of a test for the record."""
    tally = Tally()
    yield tally
    request.node.user_properties += tally.as_properties()


@pytest.fixture
def in_full(request: pytest.FixtureRequest) -> bool:
    """Whether everything is to be tried that there is, however long it takes."""
    return bool(request.config.getoption(OPTION, None))


@pytest.fixture
def chance() -> Random:
    """`PAYDESK_SEED`, to see again what was seen; else a seed that nobody has chosen. A test that fails shows it."""
    seed = int(os.environ.get("PAYDESK_SEED") or secrets.randbits(32))
    print(f"PAYDESK_SEED={seed}")  # noqa: T201  # pytest shows it with a failure
    return Random(seed)
