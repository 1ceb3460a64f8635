from uuid import uuid4

import pytest
from pytest_django import Settings

from config.celery import app
from payments import tasks
from payments.models import SagaExecution
from tests.orders.builders import make_order
from tests.payments.builders import begin_checkout, order_of, run_checkout
from tests.payments.conftest import forget_adapters
from tests.payments.sagas.evidence import effective
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


def events(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.msg["event"] for record in log.records if isinstance(record.msg, dict)]


@pytest.mark.parametrize("nonsense", ["", "saga_01", "x" * 100_000, 5, None, [], {"saga": 1}])
def test_what_is_no_id_is_logged_and_forgotten(nonsense: object, caplog: pytest.LogCaptureFixture) -> None:
    tasks.advance(nonsense)

    assert events(caplog) == ["nudge_unreadable"]
    assert len(str(caplog.records[0].msg)) < 1000


def test_a_saga_that_is_not_there_is_logged_and_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    tasks.advance(str(uuid4()))

    assert events(caplog) == ["nudge_for_no_saga"]


def test_a_late_or_repeated_nudge_disturbs_no_saga_that_waits(sandbox: Sandbox) -> None:
    saga = run_checkout(payment_method="tok_3ds")
    calls = len(sandbox.journal())

    for _ in range(5):
        tasks.advance(str(saga.pk))

    assert SagaExecution.objects.get(pk=saga.pk).epoch == saga.epoch
    assert len(sandbox.journal()) == calls


def test_a_task_leaves_what_might_meet_its_time_limit_to_another(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GATEWAY_TIMEOUT_SECONDS = 3
    forget_adapters()
    saga = begin_checkout(make_order())
    sandbox.fault("latency", operation="authorize", seconds=1.7)
    with monkeypatch.context() as changed:
        changed.setitem(app.conf, "task_time_limit", 6.0)
        tasks.advance(str(saga.pk))

    saga.refresh_from_db()
    assert (saga.state, saga.lease_owner) == ("running", "")
    assert effective(sandbox, saga) == ["authorize"]
    tasks.advance(str(saga.pk))
    assert order_of(saga).status == "completed"
