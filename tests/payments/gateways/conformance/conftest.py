"""Runs every test of this folder on every subject, each with a peer of its own for the whole session."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_django import Settings

from payments.gateways.base import PaymentGateway
from tests.payments.gateways.conformance.payment import Payment
from tests.payments.gateways.conformance.subject import TIMEOUT_SECONDS, Difference, Subject
from tests.payments.gateways.conformance.subjects import SUBJECTS
from tests.peers import programs

HERE = Path(__file__).parent
Start = Callable[[str], Subject]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that are for some subjects only have said so themselves."""
    is_said = any("subject" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "subject" in metafunc.fixturenames and not is_said:
        metafunc.parametrize("subject", list(SUBJECTS), indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A difference is not skipped: the test runs, and has to fail as it is said to."""
    for item in items:
        if isinstance(item, pytest.Function) and item.path.parent == HERE and (difference := _difference(item)):
            item.add_marker(pytest.mark.xfail(reason=difference.reason, raises=difference.ends_in, strict=True))


def _difference(item: pytest.Function) -> Difference | None:
    name = item.callspec.params.get("subject") if hasattr(item, "callspec") else None
    return SUBJECTS[str(name)].differences.get(item.originalname) if name else None


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """A subject that is started when a test first wants it."""
    with ExitStack() as stack:
        started: dict[str, Subject] = {}

        def start(name: str) -> Subject:
            if name not in started:
                started[name] = stack.enter_context(SUBJECTS[name].running(tmp_path_factory.mktemp(name)))
            return started[name]

        yield start


@pytest.fixture
def subject(request: pytest.FixtureRequest, start: Start, settings: Settings) -> Iterator[Subject]:
    """The settings lead to it, through a proxy that has nothing in mind."""
    if os.environ.get(programs.HAVE_ANSWERED):
        pytest.skip("the peers have answered already, beside the other database")
    try:
        subject = start(request.param)
    except programs.MissingError as missing:
        pytest.skip(f"{request.param}: {missing}")
    subject.proxy.clear()
    settings.GATEWAY_TIMEOUT_SECONDS = TIMEOUT_SECONDS
    for name, value in subject.settings().items():
        setattr(settings, name, value)
    yield subject
    subject.proxy.clear()


@pytest.fixture
def adapter(subject: Subject) -> PaymentGateway:
    return subject.adapter()


@pytest.fixture
def payment(subject: Subject, adapter: PaymentGateway) -> Payment:
    """Of 50.00 USD, with a card that is good for it."""
    return Payment(adapter, subject.good_method())
