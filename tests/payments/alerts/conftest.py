from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.payments.alerts.builders import Receiver, receiving

SECRET = "whsec_dGhpcyBrZXkgb3BlbnMgbm90aGluZyBhdCBhbGw="


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    """Somebody who listens for webhooks, and answers 204."""
    with receiving() as receiver:
        settings.ALERT_WEBHOOK_URL = receiver.url
        settings.ALERT_WEBHOOK_SECRET = SECRET
        yield receiver


@pytest.fixture
def mailbox(settings: Settings) -> None:
    settings.ALERT_EMAILS = ["ops@example.com", "night@example.com"]
