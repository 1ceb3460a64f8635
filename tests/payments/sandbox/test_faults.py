import time
from typing import Any

import pytest
from urllib3.exceptions import NewConnectionError, ProtocolError

from tests.payments.sandbox.shop import Shop, wait_until


def test_latency_waits_before_anything_is_done(shop: Shop) -> None:
    shop.sandbox.fault("latency", seconds=0.3, times=1)

    started = time.monotonic()
    shop.authorize()

    assert time.monotonic() - started >= 0.3
    assert shop.sandbox.get("/faults").json() == {"faults": []}


def test_what_a_caller_no_longer_waits_for_does_not_happen(shop: Shop) -> None:
    shop.sandbox.fault("latency", seconds=1, times=1)
    key = shop.key()

    with shop.hanging_up():
        shop.authorize(key=key)

    wait_until(lambda: shop.journal() != [])
    entry = shop.last_entry()
    assert (entry["operation"], entry["result"], entry["answered"]) == ("authorize", "failed", False)
    assert shop.operations(key) == []


@pytest.mark.parametrize(("fault", "status"), [("status_500", 500), ("status_429", 429)])
def test_a_status_fault_answers_so_and_does_nothing(shop: Shop, fault: str, status: int) -> None:
    shop.sandbox.fault(fault, times=2)
    key = shop.key()

    assert [shop.authorize(key=key).status for _ in range(3)] == [status, status, 200]
    assert [(e["result"], e["answered"]) for e in shop.journal()] == [("failed", True)] * 2 + [("succeeded", True)]


def test_a_rate_limit_says_when_to_come_back(shop: Shop) -> None:
    shop.sandbox.fault("status_429", times=1)

    assert shop.authorize().headers["Retry-After"] == "1"


def test_a_call_dropped_before_does_nothing_and_is_never_answered(shop: Shop) -> None:
    charge, key = shop.authorized(), shop.key()
    shop.sandbox.fault("drop_before", operation="capture", times=1)

    with shop.hanging_up():
        shop.capture(charge, key=key)

    entry = shop.last_entry()
    assert (entry["result"], entry["answered"], entry["charge"]) == ("failed", False, charge)
    assert shop.operations(key) == []
    assert shop.charge(charge)["status"] == "authorized"


@pytest.mark.parametrize("fault", ["drop_after", "reset_after"])
def test_a_call_cut_off_after_it_was_done_is_found_under_its_key(shop: Shop, fault: str) -> None:
    charge, key = shop.authorized(), shop.key()
    shop.sandbox.fault(fault, operation="capture", times=1)

    with shop.hanging_up() if fault == "drop_after" else pytest.raises(ProtocolError, match="reset"):
        shop.capture(charge, key=key)

    entry = shop.last_entry()
    assert (entry["result"], entry["replayed"], entry["answered"]) == ("succeeded", False, False)
    assert [o["status"] for o in shop.operations(key)] == ["succeeded"]
    assert shop.capture(charge, key=key).headers["Idempotent-Replayed"] == "true"


def test_garbage_is_done_and_answered_with_a_page(shop: Shop) -> None:
    key = shop.key()
    shop.sandbox.fault("garbage", times=1)

    answer = shop.authorize(key=key)

    assert (answer.status, answer.data[:9]) == (200, b"<!doctype")
    assert [o["status"] for o in shop.operations(key)] == ["succeeded"]


@pytest.mark.parametrize(("fault", "moved"), [("wrong_amount", (4999, "USD")), ("wrong_currency", (5000, "EUR"))])
def test_a_wrong_amount_or_currency_is_what_the_gateway_stands_by(
    shop: Shop, fault: str, moved: tuple[int, str]
) -> None:
    shop.sandbox.fault(fault, operation="authorize", times=1)

    answer = shop.authorize().json()

    assert (answer["charge"]["amount"], answer["charge"]["currency"]) == moved
    assert (answer["operation"]["amount"], answer["operation"]["currency"]) == moved
    found = shop.charge(answer["charge"]["id"])
    assert (found["amount"], found["currency"]) == moved


def test_a_capture_of_the_wrong_amount_captured_that_amount(shop: Shop) -> None:
    charge = shop.authorized()
    shop.sandbox.fault("wrong_amount", operation="capture", times=1)

    assert shop.capture(charge, amount=100).json()["operation"]["amount"] == 99
    assert shop.charge(charge)["amount_captured"] == 99


def test_lagging_look_ups_answer_as_of_then(own_shop: Shop) -> None:
    charge, key = own_shop.authorized(), own_shop.key()
    time.sleep(1.1)
    own_shop.capture(charge, key=key)
    own_shop.sandbox.fault("lagging_look_up", seconds=1)

    assert own_shop.charge(charge)["status"] == "authorized"
    assert own_shop.operations(key) == []
    fresh = own_shop.authorized()
    assert own_shop.sandbox.get(f"/v1/charges/{fresh}").status == 404
    listed = own_shop.sandbox.get("/v1/charges", order=own_shop.order).json()["charges"]
    assert [c["id"] for c in listed] == [charge]

    time.sleep(1.1)
    assert own_shop.charge(charge)["status"] == "captured"
    assert len(own_shop.operations(key)) == 1


def test_a_fault_without_an_operation_spares_look_ups(shop: Shop) -> None:
    charge = shop.authorized()
    shop.sandbox.fault("status_500")

    assert shop.charge(charge)["status"] == "authorized"
    assert shop.void(charge).status == shop.ship().status == 500


def test_look_ups_fail_when_they_are_named(shop: Shop) -> None:
    charge = shop.authorized()
    shop.sandbox.fault("status_500", operation="look_up", times=1)

    assert shop.sandbox.get(f"/v1/charges/{charge}").status == 500
    assert [(e["operation"], e["result"]) for e in shop.journal()][-1] == ("look_up", "failed")
    assert shop.sandbox.get(f"/v1/charges/{charge}").status == 200


def test_a_fault_hits_only_the_operation_it_names(shop: Shop) -> None:
    shop.sandbox.fault("status_500", operation="void")

    charge = shop.captured()

    assert shop.refund(charge).status == 200


def test_a_fault_ends_after_its_seconds(shop: Shop) -> None:
    shop.sandbox.fault("status_500", seconds=0.2)

    assert shop.authorize().status == 500
    wait_until(lambda: shop.authorize().status == 200)


def test_cleared_faults_are_over(shop: Shop) -> None:
    shop.sandbox.fault("status_500")
    shop.sandbox.clear_faults()

    assert shop.authorize().status == 200
    assert shop.sandbox.get("/faults").json() == {"faults": []}


def test_a_refused_connection_is_never_sent_and_the_port_opens_again(own_shop: Shop) -> None:
    own_shop.authorize()
    own_shop.sandbox.fault("refuse_connection", seconds=0.5)

    with pytest.raises(NewConnectionError):
        own_shop.authorize()
    time.sleep(0.7)

    assert own_shop.authorize().status == 200
    assert len(own_shop.journal()) == 2


def test_forgotten_keys_are_executed_again(own_shop: Shop) -> None:
    key = own_shop.key()
    own_shop.authorize(key=key)
    own_shop.sandbox.fault("forget_keys")

    own_shop.authorize(key=key)

    assert [e["replayed"] for e in own_shop.journal()] == [False, False]
    assert len(own_shop.operations(key)) == 2


def test_expired_authorizations_can_neither_be_captured_nor_voided(own_shop: Shop) -> None:
    charge, captured = own_shop.authorized(), own_shop.captured()
    own_shop.sandbox.fault("expire_authorizations")

    assert own_shop.charge(charge)["status"] == "expired"
    assert own_shop.charge(captured)["status"] == "captured"
    for refused in (own_shop.capture(charge), own_shop.void(charge)):
        assert (refused.status, refused.json()["error"]["code"]) == (409, "charge_expired")


def test_a_refund_that_fails_later_gives_the_amount_back(own_shop: Shop) -> None:
    charge, key = own_shop.captured(), own_shop.key()
    own_shop.sandbox.fault("fail_refund_later", seconds=0.2, times=1)

    answer = own_shop.refund(charge, key=key)

    assert answer.json()["charge"]["amount_refunded"] == 5000
    wait_until(lambda: own_shop.operations(key)[0]["status"] == "failed")
    assert own_shop.charge(charge)["amount_refunded"] == 0
    assert own_shop.refund(charge).status == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "unknown_fault"),
        ({"fault": "gremlins"}, "unknown_fault"),
        ({"fault": ["latency"]}, "unknown_fault"),
        ({"fault": "latency", "operation": "dance"}, "unknown_operation"),
        ({"fault": "latency", "operation": []}, "unknown_operation"),
        ({"fault": "latency", "times": 0}, "parameter_invalid"),
        ({"fault": "latency", "times": True}, "parameter_invalid"),
        ({"fault": "latency", "seconds": -1}, "parameter_invalid"),
        ({"fault": "latency", "seconds": "1"}, "parameter_invalid"),
        ({"fault": "latency", "often": 1}, "parameter_unknown"),
    ],
)
def test_a_fault_nobody_knows_is_refused(shop: Shop, body: dict[str, Any], code: str) -> None:
    answer = shop.sandbox.post("/faults", body)

    assert (answer.status, answer.json()["error"]["code"]) == (400, code)
    assert shop.sandbox.get("/faults").json() == {"faults": []}
