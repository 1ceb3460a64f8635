"""Asking the gateway or the carrier: an answer for people, and nothing moved."""

from typing import Any

import pytest

from payments.errors import InterventionNotPossibleError
from payments.gateways.base import Found, Operation, Outcome, Result
from payments.interventions import answers
from payments.interventions.given import Asked
from payments.interventions.standing import read
from payments.models import ChargeAttempt, SagaExecution
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


def said(saga: SagaExecution) -> str:
    return str(saga.events.get(kind="looked_up").after["said"])


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
    assert said(saga) == (
        "The gateway says: the last call, to capture 25.00 USD, succeeded; captured 25.00 USD, nothing refunded."
    )


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
    assert said(saga) == "The gateway did not answer."


def test_a_parcel_is_looked_up_at_the_carrier(sandbox: Sandbox) -> None:
    saga = stopped_unknown(sandbox, "ship")
    sandbox.clear_faults()

    ask_for(saga, "look_up")

    assert looked_up(saga)[0]["answer"]["operations"][0]["shipment"]["status"] == "shipped"
    assert said(saga) == "The carrier says: the last call, to ship, succeeded."


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
    assert said(saga) == (
        "The gateway says: the last call, to refund 10.00 USD, succeeded; captured 25.00 USD, refunded 10.00 USD."
    )


def test_what_never_arrived_is_told_to_be_unknown_there(sandbox: Sandbox) -> None:
    saga = stopped_unknown(sandbox, "capture", fault="drop_before")
    sandbox.clear_faults()

    ask_for(saga, "look_up")

    assert said(saga) == (
        "The gateway says: nothing is known of the last call, to capture 25.00 USD; authorized 25.00 USD."
    )


def test_what_waits_for_the_customer_is_told_to_wait(sandbox: Sandbox) -> None:
    saga = run_checkout(make_order(), "tok_3ds")

    ask_for(saga, "look_up")

    assert said(saga) == "The gateway says: the last call, to authorize 25.00 USD, waits for the customer."


def test_a_charge_that_the_gateway_has_lost_is_told_to_be_unknown(sandbox: Sandbox) -> None:
    saga = failed_refund()
    ChargeAttempt.objects.filter(saga=saga).update(gateway_reference="sch_elsewhere")

    ask_for(saga, "look_up")

    assert said(saga) == "The gateway knows nothing of it."


def test_what_was_answered_in_part_is_told_with_what_was_not(sandbox: Sandbox) -> None:
    saga = stopped_unknown(sandbox, "capture")
    sandbox.clear_faults()
    sandbox.fault("status_500", operation="look_up", times=1)

    ask_for(saga, "look_up")

    assert said(saga) == ("The gateway says: captured 25.00 USD, nothing refunded. It did not answer everything.")


def test_a_charge_of_which_nothing_came_is_told_as_that(sandbox: Sandbox) -> None:
    standing = read(failed_refund().pk)
    assert standing is not None
    declined = Outcome(Operation.AUTHORIZE, Result.DECLINED, "stx_1", "sch_1")

    told = answers.said(standing, Asked(own=Found("sch_1", "ord_1", (declined,))))

    assert told == "The gateway says: to authorize was declined."
    assert answers.said(standing, Asked(own=Found("sch_1", "ord_1", ()))) == "The gateway knows nothing of it."
