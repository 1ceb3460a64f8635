from datetime import datetime, timedelta
from typing import Any

import pytest
from urllib3.exceptions import ProtocolError

from tests.payments.sandbox.shop import Shop, wait_until

ENTRY_FIELDS = {
    *("sequence", "at", "operation", "idempotency_key", "charge", "order", "amount", "currency", "result"),
    *("replayed", "answered"),
}


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("tok_visa", {"brand": "visa", "country": "US"}),
        ("tok_mastercard", {"brand": "mastercard", "country": "US"}),
        ("tok_amex", {"brand": "amex", "country": "US"}),
        ("tok_country_DE", {"country": "DE"}),
    ],
)
def test_a_good_card_is_authorized_with_matching_checks(shop: Shop, token: str, expected: dict[str, str]) -> None:
    answer = shop.authorize(token)

    charge = answer.json()["charge"]
    assert (answer.status, charge["status"]) == (200, "authorized")
    assert (charge["avs_result"], charge["cvv_result"], charge["decline_code"]) == ("match", "match", None)
    assert expected.items() <= charge["card"].items()


def test_an_authorization_lasts_seven_days(shop: Shop) -> None:
    charge = shop.authorize().json()["charge"]

    lasts = datetime.fromisoformat(charge["authorization_expires_at"]) - datetime.fromisoformat(charge["created_at"])
    assert lasts == timedelta(days=7)


@pytest.mark.parametrize(
    ("token", "avs", "cvv"),
    [
        ("tok_avs_mismatch", "mismatch", "match"),
        ("tok_avs_partial", "partial", "match"),
        ("tok_cvv_mismatch", "match", "mismatch"),
    ],
)
def test_a_card_whose_checks_fail_is_authorized_with_that_result(shop: Shop, token: str, avs: str, cvv: str) -> None:
    charge = shop.authorize(token).json()["charge"]

    assert (charge["status"], charge["avs_result"], charge["cvv_result"]) == ("authorized", avs, cvv)


@pytest.mark.parametrize(
    ("token", "decline_code"),
    [
        ("tok_declined", "generic_decline"),
        ("tok_insufficient_funds", "insufficient_funds"),
        ("tok_expired_card", "expired_card"),
    ],
)
def test_a_declined_card_gets_a_definite_no_that_can_be_looked_up(shop: Shop, token: str, decline_code: str) -> None:
    key = shop.key()

    answer = shop.authorize(token, key=key)

    body = answer.json()
    assert (answer.status, body["error"]["code"]) == (402, "card_declined")
    assert body["error"]["decline_code"] == body["charge"]["decline_code"] == decline_code
    assert [(o["operation"], o["status"]) for o in shop.operations(key)] == [("authorize", "declined")]
    assert shop.journal()[0]["result"] == "declined"


def test_every_movement_has_its_own_transaction_id_and_its_entry_in_the_journal(shop: Shop) -> None:
    charge = shop.authorized()

    captured = shop.capture(charge, amount=3000).json()["operation"]
    refunded = shop.refund(charge, amount=1000).json()["operation"]

    assert captured["id"] != refunded["id"]
    assert (captured["amount"], refunded["amount"]) == (3000, 1000)
    entries = shop.journal()
    assert all(entry.keys() >= ENTRY_FIELDS for entry in entries)
    assert [(e["operation"], e["charge"], e["amount"], e["result"], e["answered"]) for e in entries] == [
        ("authorize", charge, 5000, "succeeded", True),
        ("capture", charge, 3000, "succeeded", True),
        ("refund", charge, 1000, "succeeded", True),
    ]


def test_refunds_are_repeated_until_nothing_is_left(shop: Shop) -> None:
    charge = shop.authorized()
    shop.capture(charge, amount=3000)

    statuses = [shop.refund(charge, amount=amount).status for amount in (1000, 2001, 2000, 1)]

    assert statuses == [200, 409, 200, 409]
    assert shop.charge(charge)["amount_refunded"] == 3000


def test_an_amount_left_out_means_all_of_it(shop: Shop) -> None:
    charge = shop.captured()
    shop.refund(charge)

    found = shop.charge(charge)
    assert (found["status"], found["amount_captured"], found["amount_refunded"]) == ("captured", 5000, 5000)


def test_a_void_releases_the_authorization(shop: Shop) -> None:
    charge = shop.authorized()

    assert shop.void(charge).json()["charge"]["status"] == "voided"


CONFLICTS: list[tuple[str, str, dict[str, Any], str]] = [
    ("capture", "captured", {}, "charge_already_captured"),
    ("void", "captured", {}, "charge_already_captured"),
    ("capture", "voided", {}, "charge_already_voided"),
    ("void", "voided", {}, "charge_already_voided"),
    ("refunds", "authorized", {}, "charge_not_captured"),
    ("refunds", "refunded", {}, "charge_already_refunded"),
    ("refunds", "captured", {"amount": 5001}, "amount_exceeds_captured"),
    ("capture", "authorized", {"amount": 5001}, "amount_exceeds_authorized"),
    ("capture", "challenged", {}, "charge_not_authorized"),
]


@pytest.mark.parametrize(("action", "state", "body", "code"), CONFLICTS)
def test_an_illegal_transition_is_a_conflict_and_changes_nothing(
    shop: Shop, action: str, state: str, body: dict[str, Any], code: str
) -> None:
    charge = charge_in(shop, state)
    before = shop.charge(charge)

    answer = shop.sandbox.post(f"/v1/charges/{charge}/{action}", body, key=shop.key())

    assert (answer.status, answer.json()["error"]["code"]) == (409, code)
    assert shop.last_entry()["result"] == "failed"
    assert shop.charge(charge) == before


def charge_in(shop: Shop, state: str) -> str:
    if state == "challenged":
        return shop.authorized("tok_3ds")
    charge = shop.authorized()
    if state == "voided":
        shop.void(charge)
    if state in ("captured", "refunded"):
        shop.capture(charge)
    if state == "refunded":
        shop.refund(charge)
    return charge


@pytest.mark.parametrize(
    ("token", "operation"),
    [("tok_capture_fails", "capture"), ("tok_void_fails", "void"), ("tok_refund_fails", "refund")],
)
def test_an_operation_refused_for_good_is_a_definite_no(shop: Shop, token: str, operation: str) -> None:
    charge = shop.captured(token) if operation == "refund" else shop.authorized(token)
    before, key = shop.charge(charge)["status"], shop.key()

    first, second = (getattr(shop, operation)(charge, key=k) for k in (key, shop.key()))

    assert [a.status for a in (first, second)] == [402, 402]
    assert first.json()["error"]["code"] == f"{operation}_refused"
    assert [o["status"] for o in shop.operations(key)] == ["declined"]
    assert shop.charge(charge)["status"] == before


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"payment_method": "tok_unknown"}, "unknown_payment_method"),
        ({"payment_method": "tok_country_de"}, "unknown_payment_method"),
        ({"payment_method": 7}, "parameter_invalid"),
        ({"amount": 0}, "invalid_amount"),
        ({"amount": -1}, "invalid_amount"),
        ({"amount": 2**63}, "invalid_amount"),
        ({"amount": "10"}, "invalid_amount"),
        ({"amount": 10.0}, "invalid_amount"),
        ({"amount": True}, "invalid_amount"),
        ({"currency": "usd"}, "invalid_currency"),
        ({"currency": "AAA"}, "invalid_currency"),
        ({"order": ""}, "parameter_invalid"),
        ({"order": None}, "parameter_missing"),
        ({"three_d_secure": "yes"}, "parameter_invalid"),
        ({"return_url": "javascript:alert(1)"}, "parameter_invalid"),
        ({"return_url": "http://["}, "parameter_invalid"),
        ({"metadata": {"nested": {}}}, "parameter_invalid"),
    ],
)
def test_a_bad_field_is_refused_and_nothing_happens(shop: Shop, fields: dict[str, Any], code: str) -> None:
    key = shop.key()

    answer = shop.authorize(key=key, **fields)

    assert (answer.status, answer.json()["error"]["code"]) == (400, code)
    assert shop.operations(key) == []


def test_a_charge_nobody_made_is_not_found(shop: Shop) -> None:
    assert shop.capture("sch_nobody").status == 404
    assert shop.sandbox.get("/v1/charges/sch_nobody").json()["error"]["code"] == "charge_not_found"


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_a_flaky_card_succeeds_after_so_many_resets(shop: Shop, calls: int) -> None:
    key = shop.key()

    for _ in range(calls):
        with pytest.raises(ProtocolError, match="reset"):
            shop.authorize(f"tok_flaky_{calls}", key=key)
    answer = shop.authorize(f"tok_flaky_{calls}", key=key)

    assert answer.status == 200
    assert [(e["result"], e["answered"]) for e in shop.journal()] == [("failed", False)] * calls + [("succeeded", True)]


def test_a_new_attempt_at_the_same_order_meets_the_flaky_card_anew(shop: Shop) -> None:
    for attempt in ("saga_1", "saga_2"):
        with pytest.raises(ProtocolError, match="reset"):
            shop.authorize("tok_flaky_1", key=f"{shop.order}:{attempt}:1")
        assert shop.authorize("tok_flaky_1", key=f"{shop.order}:{attempt}:2").status == 200


def test_a_rate_limited_card_is_told_when_to_come_back_once(shop: Shop) -> None:
    key = shop.key()

    first, second = shop.authorize("tok_rate_limited", key=key), shop.authorize("tok_rate_limited", key=key)

    assert (first.status, first.headers["Retry-After"], second.status) == (429, "1", 200)
    assert [e["result"] for e in shop.journal()] == ["failed", "succeeded"]


def test_a_server_error_does_nothing_however_often_it_is_tried(shop: Shop) -> None:
    key = shop.key()

    assert [shop.authorize("tok_server_error", key=key).status for _ in range(3)] == [500] * 3
    assert shop.operations(key) == []


def test_the_first_call_before_a_timeout_does_nothing(shop: Shop) -> None:
    key = shop.key()

    with shop.hanging_up():
        shop.authorize("tok_timeout_before", key=key)

    assert shop.operations(key) == []
    assert shop.authorize("tok_timeout_before", key=key).status == 200
    assert shop.journal()[0]["answered"] is False


def test_the_first_call_after_a_timeout_is_done_and_replayed_to_whoever_asks_again(shop: Shop) -> None:
    key = shop.key()

    with shop.hanging_up():
        shop.authorize("tok_timeout_after", key=key)
    found = shop.operations(key)
    again = shop.authorize("tok_timeout_after", key=key)

    assert [o["status"] for o in found] == ["succeeded"]
    assert again.json()["operation"]["id"] == found[0]["id"]
    calls = [e for e in shop.journal() if e["operation"] == "authorize"]
    assert [(e["replayed"], e["answered"]) for e in calls] == [(False, False), (True, True)]


def test_a_disputed_charge_can_no_longer_be_refunded(own_shop: Shop) -> None:
    charge = own_shop.captured("tok_dispute")

    wait_until(lambda: own_shop.charge(charge)["disputed"])

    answer = own_shop.refund(charge)
    assert (answer.status, answer.json()["error"]["code"]) == (409, "charge_disputed")


def test_an_operation_is_found_by_its_name_beside_its_charge(shop: Shop) -> None:
    authorized = shop.authorize().json()

    found = shop.sandbox.get(f"/v1/operations/{authorized['operation']['id']}").json()["operation"]

    assert (found["operation"], found["charge"], found["shipment"]) == ("authorize", authorized["charge"], None)
    assert shop.sandbox.get("/v1/operations/stx_nothing").status == 404
