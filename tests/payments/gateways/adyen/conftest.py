from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.payments.conftest import forget_adapters
from tests.payments.gateways.conformance.adyen import OnAdyen
from tests.sandbox import Sandbox


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnAdyen]:
    with OnAdyen.running(tmp_path_factory.mktemp("adyen")) as peer:
        yield peer


@pytest.fixture
def adyen(peer: OnAdyen, sandbox: Sandbox, settings: Settings) -> Iterator[OnAdyen]:
    """The gateway that checkouts take; the carrier is the sandbox's."""
    peer.proxy.clear()
    for name, value in peer.settings().items():
        setattr(settings, name, value)
    settings.GATEWAYS, settings.DEFAULT_GATEWAY = ["adyen", "sandbox"], "adyen"
    settings.GATEWAY_TIMEOUT_SECONDS = 0.5
    forget_adapters()
    yield peer
    peer.proxy.clear()
    forget_adapters()
