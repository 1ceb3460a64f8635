"""Correcting what a saga's steps know."""

from typing import Any

import pytest

from payments.errors import InterventionNotPossibleError, InvalidContextError
from payments.models import SagaExecution
from tests.orders.builders import make_order
from tests.payments.builders import advance, begin_checkout, run_checkout
from tests.payments.interventions.builders import (
    approve,
    ask_for,
    everything,
    failed_refund,
    possible,
    stopped_refund,
)
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def paused(sandbox: Sandbox) -> SagaExecution:
    saga = begin_checkout(make_order(), customer_ip="not an address")
    ask_for(saga, "pause")
    return saga


def test_what_was_changed_is_known_to_the_steps_and_shown_as_a_difference(paused: SagaExecution) -> None:
    before = dict(paused.context)

    ask_for(paused, "edit_context", context={"customer_ip": "203.0.113.7", "device_fingerprint": ""})

    assert paused.context == {**before, "customer_ip": "203.0.113.7"}
    event = paused.events.get(kind="context_edited")
    assert (event.before["context"], event.after["context"]) == (
        {"customer_ip": "not an address"}, {"customer_ip": "203.0.113.7"},
    )  # fmt: skip
    assert paused.is_paused
    ask_for(paused, "resume")
    assert advance(paused).state == "completed"


@pytest.mark.parametrize(
    "context",
    [
        {"customer_ip": 7},
        {"customer_ip": None},
        {"gateway": "stripe"},
        {"payment_method": "tok_amex"},
        {"checkout_number": 2},
        {"review": None},
        {"three_d_secure": False},
        {"velocity": {}},
        {"return_url": "https://elsewhere.example"},
        {"unheard_of": "x"},
        {"customer_ip": "not an address"},
    ],
    ids=str,
)
def test_what_is_of_another_kind_or_names_money_is_refused(paused: SagaExecution, context: dict[str, Any]) -> None:
    before = everything(paused)

    with pytest.raises(InvalidContextError):
        ask_for(paused, "edit_context", context=context)

    assert everything(paused) == before


def test_every_forbidden_member_is_named_at_once(paused: SagaExecution) -> None:
    with pytest.raises(InvalidContextError, match="gateway, payment_method"):
        ask_for(paused, "edit_context", context={"payment_method": "x", "gateway": "y", "customer_ip": "z"})


def test_a_card_number_is_not_stored(paused: SagaExecution) -> None:
    with pytest.raises(InterventionNotPossibleError, match="card data"):
        ask_for(paused, "edit_context", context={"device_fingerprint": "4242424242424242"})


def test_only_what_stands_is_edited(sandbox: Sandbox) -> None:
    assert "edit_context" not in possible(run_checkout(payment_method="tok_avs_partial"))
    assert "edit_context" in possible(failed_refund())


def test_what_only_names_money_has_nothing_that_may_be_changed(sandbox: Sandbox) -> None:
    assert "edit_context" not in possible(stopped_refund(sandbox))


def test_a_large_orders_context_waits_for_a_second_person(sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order(quantity=1, unit_amount_minor=1000_00))
    ask_for(saga, "pause")

    row = ask_for(saga, "edit_context", context={"customer_ip": "203.0.113.7"})
    assert (row.state, saga.context["customer_ip"]) == ("awaiting_approval", "")
    approve(row)

    saga.refresh_from_db()
    assert saga.context["customer_ip"] == "203.0.113.7"
