from typing import Any

import pytest

from tests.payments.sandbox.shop import Shop

PAST = {
    "order": "ord_past",
    "amount": 5000,
    "currency": "USD",
    "created_at": "2026-03-01T12:00:00+01:00",
    "outcome": "captured",
}


def write(shop: Shop, *charges: dict[str, Any]) -> list[dict[str, Any]]:
    answer = shop.sandbox.post("/history", {"charges": list(charges)})
    assert answer.status == 201, answer.data
    written: list[dict[str, Any]] = answer.json()["charges"]
    return written


@pytest.mark.parametrize(
    ("outcome", "status", "operations"),
    [
        ("authorized", "authorized", ["authorize"]),
        ("declined", "declined", ["authorize"]),
        ("expired", "expired", ["authorize"]),
        ("voided", "voided", ["authorize", "void"]),
        ("captured", "captured", ["authorize", "capture"]),
        ("refunded", "captured", ["authorize", "capture", "refund"]),
        ("disputed", "captured", ["authorize", "capture", "dispute"]),
    ],
)
def test_a_past_charge_is_as_if_the_sandbox_had_been_there(
    shop: Shop, outcome: str, status: str, operations: list[str]
) -> None:
    (charge,) = write(shop, PAST | {"order": shop.order, "outcome": outcome})

    assert charge["status"] == status
    assert charge["created_at"] == "2026-03-01T11:00:00.000000+00:00"
    assert [o["operation"] for o in charge["operations"]] == operations
    entries = shop.journal()
    assert [e["operation"] for e in entries] == [o for o in operations if o != "dispute"]
    assert {e["at"] for e in entries} == {"2026-03-01T11:00:00.000000+00:00"}


def test_each_step_has_its_own_time(shop: Shop) -> None:
    times = {"settled_at": "2026-03-02T00:00:00+00:00", "refunded_at": "2026-03-03T00:00:00+00:00"}

    (charge,) = write(shop, PAST | {"outcome": "refunded", **times})

    assert [o["at"][:10] for o in charge["operations"]] == ["2026-03-01", "2026-03-02", "2026-03-03"]


def test_a_past_charge_can_still_be_refunded(own_shop: Shop) -> None:
    (charge,) = write(own_shop, PAST | {"amount_captured": 4000})

    assert own_shop.refund(charge["id"], amount=4001).status == 409
    assert own_shop.refund(charge["id"]).json()["operation"]["amount"] == 4000


def test_writing_the_same_history_again_adds_nothing(own_shop: Shop) -> None:
    item = PAST | {"idempotency_key": "demo-1"}

    first, again = write(own_shop, item), write(own_shop, item)

    assert first == again
    assert [o["status"] for o in own_shop.operations("demo-1:capture")] == ["succeeded"]
    assert len(own_shop.sandbox.journal()) == 3  # the look-up is one


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcome": "lost"},
        {"payment_method": "tok_unknown"},
        {"amount": 0},
        {"amount_captured": 5001},
        {"amount_refunded": 5001},
        {"created_at": "2026-03-01"},
        {"created_at": "2999-03-01T00:00:00+00:00"},
        {"created_at": "soon"},
        {"currency": "AAA"},
    ],
)
def test_one_wrong_item_refuses_all_of_them(shop: Shop, wrong: dict[str, Any]) -> None:
    right = PAST | {"order": shop.order}

    answer = shop.sandbox.post("/history", {"charges": [right, right | wrong]})

    assert answer.status == 400
    assert shop.journal() == []


@pytest.mark.parametrize("body", [{}, {"charges": {}}, {"charges": [1]}])
def test_a_history_that_is_no_list_is_refused(shop: Shop, body: dict[str, Any]) -> None:
    assert shop.sandbox.post("/history", body).status == 400
