"""One browser for each process of the run; every test has a desk of its own in it."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver.chrome.webdriver import WebDriver

from tests.browser import programs
from tests.browser.desk import Desk, launch
from tests.payments.conftest import forget_adapters
from tests.processes import worker
from tests.sandbox import Sandbox


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    if os.environ.get(programs.HAS_LOOKED):
        pytest.skip("the browser has looked already, on the other database")
    found = programs.find()
    if found is None:
        pytest.skip(programs.MISSING)
    browser = launch(found, tmp_path_factory.mktemp("browser"))
    yield browser
    browser.quit()


@pytest.fixture(scope="session")
def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox") / "journal.sqlite3") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox, settings: Settings) -> Iterator[Sandbox]:
    """What the tests themselves do with Paydesk's code goes to the same gateway as what the processes do."""
    settings.SANDBOX_GATEWAY_URL = running_sandbox.url
    forget_adapters()
    yield running_sandbox
    forget_adapters()


@pytest.fixture
def desk(
    browser: WebDriver, live_server: LiveServer, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """Fails the test whose pages had errors, violated the policy or asked another host.

    The web server is a thread of this process: another process would keep Django's content types in memory, and
    those get new ids whenever the database is emptied after a test.
    """
    # The server's threads live as long as the browser keeps its connections: they may not keep the database's too.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    desk = Desk(browser, live_server.url)
    yield desk
    faults = desk.faults()
    assert not faults, f"{faults}; the page is in {desk.photograph()}"


@pytest.fixture
def at_work(process_environment: dict[str, str], sandbox: Sandbox) -> Iterator[None]:
    """A worker, in a process of its own, carries on what the test's people decide."""
    with worker(process_environment | {"SANDBOX_GATEWAY_URL": sandbox.url}):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Keep a picture of the page on which a test failed, and say where."""
    report = yield
    desk = getattr(item, "funcargs", {}).get("desk")
    if report.when == "call" and report.failed and desk:
        report.sections.append(("The page", str(desk.photograph())))
    return report
