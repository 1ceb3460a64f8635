"""Who has to pass, and how a test says whom it is for."""

import pytest

from tests.payments.gateways.conformance.adyen import OnAdyen
from tests.payments.gateways.conformance.sandbox import OnSandbox
from tests.payments.gateways.conformance.stripe import OnLocalstripe, OnStatefulMock
from tests.payments.gateways.conformance.subject import Subject

SUBJECTS: dict[str, type[Subject]] = {each.name: each for each in (OnSandbox, OnLocalstripe, OnStatefulMock, OnAdyen)}


def with_a(feature: str) -> pytest.MarkDecorator:
    """For the peers that have it; `without` is then for those who do not."""
    return _for([name for name, subject in SUBJECTS.items() if getattr(subject, f"has_{feature}")])


def without(feature: str) -> pytest.MarkDecorator:
    return _for([name for name, subject in SUBJECTS.items() if not getattr(subject, f"has_{feature}")])


def with_two_calls() -> pytest.MarkDecorator:
    """For the gateways whose payments are opened before they are confirmed."""
    return _for(["stripe"])


def with_reports() -> pytest.MarkDecorator:
    """For the peers that give their movements as a file, too: of the others that is done by the gateway's own pages."""
    return _for(["sandbox"])


def told_by_events_alone() -> pytest.MarkDecorator:
    """For the gateways that cannot be asked."""
    return _for(["adyen"])


def _for(names: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("subject", names, indirect=True)
