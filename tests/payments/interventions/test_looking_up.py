"""Asking the gateway or the carrier: an answer for people, and nothing moved."""

from typing import Any

import pytest

from payments.errors import InterventionNotPossibleError
from payments.models import SagaExecution
from payments.sagas.refund import open_refund
from tests.orders.builders import make_order
from tests.payments.builders import begin_checkout, charge_of, exchange, run_checkout
from tests.payments.interventions.builders import (
    ask_for,
    everything,
    failed_refund,
    possible,
    silence,
    stopped_unknown,
    unknown,
)
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def looked_up(saga: SagaExecution) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = saga.events.get(kind="looked_up").after["calls"]
    return calls


def test_a_saga_that_stands_is_looked_up_and_left_as_it_is(sandbox: Sandbox) -> None:
    saga = failed_refund()
    before = everything(saga)

    row = ask_for(saga, "look_up")

    assert (row.state, everything(saga)) == ("applied", before)
    assert [call["answer"]["charge"]["status"] for call in looked_up(saga)] == ["captured"]


def test_a_call_in_hand_is_looked_up_by_its_key_and_by_its_charge(sandbox: Sandbox) -> None:
    saga = stopped_unknown(sandbox, "capture")
    sandbox.clear_faults()
    before = everything(saga)

    ask_for(saga, "look_up")

    assert [call["url"].partition("?")[0] for call in looked_up(saga)] == [
        "GET /v1/operations", f"GET /v1/charges/{charge_of(saga).gateway_reference}",
    ]  # fmt: skip
    assert everything(saga) == before


def test_a_saga_that_waits_for_an_unknown_outcome_is_woken(sandbox: Sandbox) -> None:
    saga = unknown(sandbox, "capture")
    sandbox.clear_faults()
    before = saga.wake_seq, saga.epoch

    ask_for(saga, "look_up")

    assert (saga.wake_seq, saga.epoch) == (before[0] + 1, before[1])


def test_a_gateway_that_does_not_answer_is_in_the_history_too(sandbox: Sandbox) -> None:
    saga = stopped_unknown(sandbox, "capture")

    ask_for(saga, "look_up")

    assert [call["status"] for call in looked_up(saga)] == [500, 500]


def test_a_parcel_is_looked_up_at_the_carrier(sandbox: Sandbox) -> None:
    saga = stopped_unknown(sandbox, "ship")
    sandbox.clear_faults()

    ask_for(saga, "look_up")

    assert looked_up(saga)[0]["answer"]["operations"][0]["shipment"]["status"] == "shipped"


def test_what_is_kept_is_redacted(sandbox: Sandbox) -> None:
    saga = failed_refund()

    ask_for(saga, "look_up")

    assert "fingerprint" in looked_up(saga)[0]["answer"]["charge"]["card"]
    assert "4242424242424242" not in str(looked_up(saga))


def test_where_nothing_can_be_known_nobody_is_asked(sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order())

    assert "look_up" not in possible(saga)
    with pytest.raises(InterventionNotPossibleError, match="nothing yet"):
        ask_for(saga, "look_up")


def test_a_refund_is_looked_up_by_its_charge(sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout())
    sandbox.fault("drop_after", operation="refund", times=1)
    silence(sandbox)
    saga = exchange(open_refund(charge, amount_minor=10_00, cause="test", reason="Broken."))
    sandbox.clear_faults()

    ask_for(saga, "look_up")

    assert looked_up(saga)[1]["answer"]["charge"]["amount_refunded"] == 10_00
