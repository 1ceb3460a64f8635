"""Pausing takes a saga out of anybody's hands, a worker's too; resuming lets it go on from there."""

from collections.abc import Callable
from typing import Any

import pytest

from payments.errors import InterventionNotPossibleError
from payments.gateways.sandbox import SandboxGateway
from payments.models import SagaExecution
from payments.sagas import engine, leases
from tests.orders.builders import make_order
from tests.payments.builders import WORKER, advance, begin_checkout, end_sending, make_due, run_checkout
from tests.payments.interventions.builders import ask_for, failed_refund, make_operator, possible
from tests.payments.sagas.evidence import effective, journal, key_numbers
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def during(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], object]], None]:
    """Have something done the moment a worker is about to send."""

    def watch(operation: str, do: Callable[[], object]) -> None:
        send = getattr(SandboxGateway, operation)

        def interrupted(self: Any, request: Any) -> Any:
            do()
            return send(self, request)

        monkeypatch.setattr(SandboxGateway, operation, interrupted)

    return watch


def test_a_paused_saga_is_carried_on_by_nobody_until_it_is_resumed(sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order())

    ask_for(saga, "pause")
    assert saga.is_paused
    assert leases.claim_next(owner=WORKER) is None
    assert possible(saga) == {"resume", "compensate", "edit_context"}

    ask_for(saga, "resume")
    assert engine.advance_next(owner=WORKER)
    saga.refresh_from_db()
    assert (saga.state, saga.is_paused) == ("completed", False)


@pytest.mark.parametrize("operation", ["authorize", "capture"])
def test_a_worker_that_holds_the_saga_is_fenced_and_what_it_sent_is_found_afterwards(
    sandbox: Sandbox, during: Callable[[str, Callable[[], object]], None], operation: str
) -> None:
    saga, operator = begin_checkout(make_order()), make_operator()
    during(operation, lambda: None if paused() else ask_for(saga, "pause", by=operator))

    def paused() -> bool:
        return SagaExecution.objects.get(pk=saga.pk).is_paused

    engine.advance(saga.pk, owner=WORKER)

    saga.refresh_from_db()
    assert (saga.is_paused, saga.lease_owner) == (True, "")
    assert effective(sandbox, saga)[-1] == operation
    assert "compensate" not in possible(saga), "what the worker has sent is not known yet"
    end_sending(saga)
    ask_for(saga, "resume", by=operator)
    saga = advance(saga)
    assert (saga.state, key_numbers(sandbox, saga, operation)) == ("completed", [0])
    assert effective(sandbox, saga) == ["authorize", "capture", "ship"]


def test_a_worker_that_was_fenced_writes_nothing_more(sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order())
    leases.claim(saga.pk, owner=WORKER)
    stale = engine.load(saga.pk)
    ask_for(saga, "pause")
    before = SagaExecution.objects.values().get(pk=saga.pk)

    engine.drive(stale)

    assert SagaExecution.objects.values().get(pk=saga.pk) == before
    assert journal(sandbox, saga) == []


def test_a_saga_paused_and_resumed_under_a_worker_belongs_to_the_next_one(sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order())
    leases.claim(saga.pk, owner=WORKER)
    stale = engine.load(saga.pk)
    ask_for(saga, "pause")
    ask_for(saga, "resume")

    engine.drive(stale)

    assert journal(sandbox, saga) == []
    assert advance(saga).state == "completed"


def test_what_has_stopped_or_ended_is_not_paused(sandbox: Sandbox) -> None:
    for saga in (failed_refund(), run_checkout()):
        with pytest.raises(InterventionNotPossibleError):
            ask_for(saga, "pause")


def test_what_is_paused_is_not_paused_again_and_what_is_not_is_not_resumed(sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order())
    with pytest.raises(InterventionNotPossibleError, match="not paused"):
        ask_for(saga, "resume")

    ask_for(saga, "pause")
    with pytest.raises(InterventionNotPossibleError, match="already"):
        ask_for(saga, "pause")


def test_a_paused_review_goes_on_to_wait(sandbox: Sandbox) -> None:
    saga = run_checkout(payment_method="tok_avs_partial")
    ask_for(saga, "pause")
    ask_for(saga, "resume")

    saga = advance(saga)

    assert (saga.state, saga.waiting_for) == ("waiting", "review")
    make_due(saga)
