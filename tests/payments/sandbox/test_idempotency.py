from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.payments.sandbox.shop import Shop


def test_the_same_key_is_answered_with_the_same_bytes_and_moves_nothing(shop: Shop) -> None:
    charge, key = shop.authorized(), shop.key()

    first, again = shop.capture(charge, key=key), shop.capture(charge, key=key)

    assert (again.status, again.data) == (first.status, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    captures = [e for e in shop.journal() if e["operation"] == "capture"]
    assert [(e["result"], e["replayed"], e["amount"]) for e in captures] == [
        ("succeeded", False, 5000),
        ("succeeded", True, 5000),
    ]


@pytest.mark.parametrize("token", ["tok_declined", "tok_insufficient_funds"])
def test_a_definite_no_is_replayed_too(shop: Shop, token: str) -> None:
    key = shop.key()

    first, again = shop.authorize(token, key=key), shop.authorize(token, key=key)

    assert (again.status, again.data) == (402, first.data)
    assert [(e["result"], e["replayed"]) for e in shop.journal()] == [("declined", False), ("declined", True)]


def test_a_stored_conflict_is_replayed_even_after_the_charge_has_moved_on(shop: Shop) -> None:
    charge, key = shop.authorized(), shop.key()
    shop.refund(charge, key=key)
    shop.capture(charge)

    assert shop.refund(charge, key=key).status == 409
    assert shop.refund(charge, key=shop.key()).status == 200


def test_a_key_used_for_another_request_is_refused_and_the_original_stays(shop: Shop) -> None:
    key = shop.key()
    first = shop.authorize(key=key)

    other = shop.authorize(key=key, amount=1)

    assert (other.status, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert shop.authorize(key=key).data == first.data


def test_the_order_of_the_bodys_fields_does_not_make_another_request(shop: Shop) -> None:
    body = {"order": shop.order, "amount": 1, "currency": "USD", "payment_method": "tok_visa"}
    key = shop.key()

    answers = [shop.sandbox.post("/v1/charges", dict(b), key=key) for b in (body.items(), reversed(body.items()))]

    assert answers[0].data == answers[1].data


@pytest.mark.parametrize("key", ["k" * 256, "clé"])
def test_a_malformed_key_is_refused(shop: Shop, key: str) -> None:
    answer = shop.authorize(key=key.encode().decode("latin-1"))

    assert (answer.status, answer.json()["error"]["code"]) == (400, "idempotency_key_invalid")


def test_a_mistake_in_the_request_does_not_use_the_key_up(shop: Shop) -> None:
    key = shop.key()
    shop.authorize("tok_unknown", key=key)

    assert shop.authorize(key=key).status == 200


def test_without_a_key_every_call_is_a_new_one(shop: Shop) -> None:
    body = {"order": shop.order, "amount": 1, "currency": "USD", "payment_method": "tok_visa"}

    ids = {shop.sandbox.post("/v1/charges", body).json()["charge"]["id"] for _ in range(2)}

    assert len(ids) == 2


def test_racing_calls_with_one_key_execute_once(shop: Shop) -> None:
    key = shop.key()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shop.authorize(key=key), range(16)))

    assert len({answer.data for answer in answers}) == 1
    assert sorted(e["replayed"] for e in shop.journal()) == [False] + [True] * 15


def test_racing_captures_with_different_keys_capture_once(shop: Shop) -> None:
    charge = shop.authorized()
    keys = [shop.key() for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda key: shop.capture(charge, key=key).status, keys))

    assert sorted(statuses) == [200] + [409] * 7
    assert shop.charge(charge)["amount_captured"] == 5000
