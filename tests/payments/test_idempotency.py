"""One key, one execution: the table of the public contract, over HTTP."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from pytest_django import Settings

from orders.models import Order
from payments.errors import IdempotencyKeyInvalidError
from payments.idempotency import canonical, parse_key
from payments.models import IdempotencyKey, SagaExecution
from tests.orders.builders import make_order
from tests.payments.builders import LONG_AGO, Api, advance, charge_of, end_sending, make_due
from tests.sandbox import Sandbox

REPLAYED = "Idempotent-Replayed"


def saga_of(order: Order) -> SagaExecution:
    return SagaExecution.objects.get(order=order)


def code(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json", answer.content
    return answer.status_code, answer.json()["code"]


def assert_nothing_is_stored(order: Order) -> None:
    order.refresh_from_db()
    assert (order.status, order.checkout_number) == ("open", 0)
    assert not IdempotencyKey.objects.exists()
    assert not SagaExecution.objects.exists()


class TestTheKeyItself:
    def test_a_checkout_without_a_key_is_refused(self, api: Api) -> None:
        order = api.order()

        assert code(api.checkout(order, key=None)) == (400, "idempotency_key_missing")
        assert_nothing_is_stored(order)

    @pytest.mark.parametrize("key", ["x" * 256, "caf\xe9", '""', " "])
    def test_a_malformed_key_is_refused(self, api: Api, key: str) -> None:
        order = api.order()

        assert code(api.checkout(order, key=key)) == (400, "idempotency_key_invalid")
        assert_nothing_is_stored(order)

    @pytest.mark.parametrize("key", ["k", "x" * 255, "with blanks in it", "!#$%&'*+-.^_`|~", "0"])
    def test_printable_ascii_is_a_key(self, key: str) -> None:
        assert parse_key(key) == key

    @pytest.mark.parametrize(
        ("header", "key"), [('"k"', "k"), (' "k" ', "k"), (r'"say \"hi\""', 'say "hi"'), (r'"a\\b"', r"a\b")]
    )
    def test_a_quoted_string_is_the_key_it_quotes(self, header: str, key: str) -> None:
        assert parse_key(header) == key

    @pytest.mark.parametrize("header", ["", "\x7f", "a\nb", '"' + "x" * 256 + '"', "\u0661"])
    def test_what_is_no_key_is_named_so(self, header: str) -> None:
        with pytest.raises(IdempotencyKeyInvalidError):
            parse_key(header)

    def test_a_bare_and_a_quoted_key_are_the_same_key(self, api: Api) -> None:
        order = api.order()
        first = api.checkout(order, key="the-key")

        again = api.checkout(order, key='"the-key"')

        assert (again.content, again[REPLAYED]) == (first.content, "true")


class TestNothingIsStored:
    def test_for_an_unknown_token(self, api: Api) -> None:
        order = api.order()

        answer = api.post(
            f"orders/{order.public_id}/checkout", {"payment_method": "tok_visa"}, Authorization="Bearer " + "x" * 64
        )

        assert code(answer) == (401, "unauthenticated")
        assert answer.json()["detail"] == "Invalid credentials"
        assert_nothing_is_stored(order)

    def test_for_a_missing_permission(self, api: Api) -> None:
        order = api.order()
        api.user.groups.clear()

        assert code(api.checkout(order)) == (403, "permission_denied")
        assert_nothing_is_stored(order)

    def test_for_one_request_too_many_and_the_key_can_be_used_later(self, api: Api, settings: Settings) -> None:
        order = api.order()
        settings.RATE_LIMIT_PER_TOKEN = "1 per 1 minute"
        api.get("orders")

        answer = api.checkout(order, key="k")

        assert code(answer) == (429, "too_many_requests")
        assert int(answer["Retry-After"]) >= 1
        assert_nothing_is_stored(order)
        settings.RATE_LIMIT_PER_TOKEN = "2 per 1 minute"
        assert api.checkout(order, key="k").status_code == 201

    def test_for_a_faulty_body_and_the_key_can_be_used_for_the_mended_one(self, api: Api) -> None:
        order = api.order()

        assert code(api.checkout(order, key="k", payment_method_="x")) == (422, "validation_failed")
        assert_nothing_is_stored(order)
        assert api.checkout(order, key="k").status_code == 201

    def test_for_an_order_that_cannot_be_paid(self, api: Api) -> None:
        order = api.order()
        Order.objects.filter(pk=order.pk).update(status="cancelled")

        assert code(api.checkout(order)) == (409, "order_not_payable")
        assert not IdempotencyKey.objects.exists()


class TestReplays:
    @pytest.mark.parametrize(
        ("payment_method", "postal_code", "status"),
        [("tok_visa", "10001", 201), ("tok_declined", "10001", 402), ("tok_visa", "99999", 409)],
    )
    def test_the_final_answer_is_frozen_to_the_byte(
        self, api: Api, sandbox: Sandbox, payment_method: str, postal_code: str, status: int
    ) -> None:
        order = api.order(postal_code=postal_code)
        first = api.checkout(order, payment_method, key="k")
        calls = len(sandbox.journal())

        replays = [api.checkout(order, payment_method, key="k") for _ in range(2)]

        assert (first.status_code, first.get(REPLAYED)) == (status, None)
        for replay in replays:
            assert (replay.status_code, replay.content, replay[REPLAYED]) == (status, first.content, "true")
            assert replay["Content-Type"] == first["Content-Type"]
            assert replay.get("Location") == first.get("Location")
        assert len(sandbox.journal()) == calls

    def test_a_gateway_that_is_not_there_is_a_502_for_good_after_compensation(self, api: Api, sandbox: Sandbox) -> None:
        order = api.order()
        first = api.checkout(order, "tok_server_error", key="k")

        assert code(first) == (502, "gateway_unavailable")
        assert api.checkout(order, "tok_server_error", key="k").content == first.content

    def test_to_try_again_a_new_key_is_used(self, api: Api) -> None:
        order = api.order()
        assert code(api.checkout(order, "tok_declined", key="k")) == (402, "card_declined")

        again = api.checkout(order, "tok_visa", key="another")

        assert again.status_code == 201
        assert order.charges.count() == 2

    @pytest.mark.parametrize(
        "body",
        [
            b'{"payment_method":"tok_visa","customer_ip":"192.0.2.1"}',
            b'{ "customer_ip" : "192.0.2.1",\n "payment_method": "tok_visa" }',
            b'{"payment_method":"tok_\\u0076isa","customer_ip":"192.0.2.1"}',
        ],
    )
    def test_white_space_order_and_escapes_of_a_body_do_not_count(self, api: Api, body: bytes) -> None:
        order = api.order()
        first = api.checkout(order, key="k", customer_ip="192.0.2.1")

        again = api.post(f"orders/{order.public_id}/checkout", body, key="k")

        assert (again.status_code, again.content, again[REPLAYED]) == (201, first.content, "true")

    def test_a_key_used_for_another_body_is_refused_and_the_original_untouched(self, api: Api) -> None:
        order = api.order()
        first = api.checkout(order, key="k")
        before = IdempotencyKey.objects.values().get()

        assert code(api.checkout(order, "tok_amex", key="k")) == (422, "idempotency_key_reused")

        assert IdempotencyKey.objects.values().get() == before
        assert api.checkout(order, key="k").content == first.content

    def test_a_key_used_for_another_address_is_refused(self, api: Api) -> None:
        first, second = api.order(), api.order()
        api.checkout(first, key="k")

        assert code(api.checkout(second, key="k")) == (422, "idempotency_key_reused")

        second.refresh_from_db()
        assert second.status == "open"

    def test_another_query_is_another_request(self, api: Api) -> None:
        order = api.order()
        api.checkout(order, key="k")

        answer = api.post(f"orders/{order.public_id}/checkout?x=1", {"payment_method": "tok_visa"}, key="k")

        assert code(answer) == (422, "idempotency_key_reused")

    def test_two_clients_may_use_the_same_key(self, api: Api) -> None:
        other = Api()

        answers = [api.checkout(api.order(), key="k"), other.checkout(other.order(), key="k")]

        assert [(answer.status_code, answer.get(REPLAYED)) for answer in answers] == [(201, None), (201, None)]
        assert answers[0].content != answers[1].content

    def test_the_same_body_has_the_same_text_and_another_has_another(self) -> None:
        bodies = [
            b'{"a":1,"b":[1,2]}',
            b'{"b": [1, 2], "a": 1}',
            b'{"a":1,"b":[2,1]}',
            b'{"a":"1","b":[1,2]}',
            b"[",
            b"{",
        ]

        texts = [canonical(body) for body in bodies]

        assert texts[0] == texts[1]
        assert len(set(texts)) == len(bodies) - 1


class TestInFlight:
    def begun(self, api: Api) -> tuple[Order, SagaExecution]:
        order = api.order()
        assert api.checkout(order, key="k", prefer="respond-async").status_code == 202
        return order, saga_of(order)

    def test_while_the_first_request_holds_its_lease_the_second_is_asked_to_wait(
        self, api: Api, sandbox: Sandbox
    ) -> None:
        order, saga = self.begun(api)
        SagaExecution.objects.filter(pk=saga.pk).update(
            lease_owner="request:1", lease_until=Now() + LONG_AGO, next_run_at=Now() + LONG_AGO, state="running"
        )

        answer = api.checkout(order, key="k")

        assert code(answer) == (409, "idempotency_in_flight")
        assert int(answer["Retry-After"]) >= 1
        assert not [entry for entry in sandbox.journal() if entry["order"] == order.public_id]

    def test_while_a_worker_holds_the_lease_the_newest_state_is_shown(self, api: Api) -> None:
        order, saga = self.begun(api)
        SagaExecution.objects.filter(pk=saga.pk).update(
            lease_owner="worker:1", lease_until=Now() + LONG_AGO, next_run_at=Now() + LONG_AGO, state="running"
        )

        answer = api.checkout(order, key="k")

        assert (answer.status_code, answer.json()["saga"]["state"]) == (202, "running")

    def test_a_request_that_died_is_taken_over_by_its_retry(self, api: Api) -> None:
        order, saga = self.begun(api)
        SagaExecution.objects.filter(pk=saga.pk).update(
            lease_owner="request:1", lease_until=Now() - LONG_AGO, next_run_at=Now() - LONG_AGO, state="running"
        )

        answer = api.checkout(order, key="k")

        assert (answer.status_code, answer.json()["order"]["status"]) == (201, "completed")
        assert SagaExecution.objects.filter(order=order).count() == 1

    def test_a_fault_of_ours_is_not_frozen_and_a_retry_attaches_again(self, api: Api, settings: Settings) -> None:
        order = api.order()
        settings.SAGA_ANSWER = "tests.payments.test_idempotency.broken_answer"
        first = api.checkout(order, key="k")
        settings.SAGA_ANSWER = "config.answers.freeze_answer"
        assert first.status_code in (202, 500)
        assert not IdempotencyKey.objects.get().is_frozen
        make_due(saga_of(order))

        assert api.checkout(order, key="k").status_code == 201
        assert order.charges.get().captured_minor == order.amount_minor


def broken_answer(_run: object) -> None:
    raise RuntimeError("a bug in the last commit")


class TestNotFinished:
    def test_whoever_prefers_not_to_wait_is_answered_at_once(self, api: Api, sandbox: Sandbox) -> None:
        order = api.order()

        answer = api.checkout(order, prefer="respond-async, wait=5")

        saga = saga_of(order)
        assert (answer.status_code, answer["Location"]) == (202, f"/v1/sagas/{saga.public_id}")
        assert answer.json()["saga"]["state"] == "pending"
        assert not [entry for entry in sandbox.journal() if entry["order"] == order.public_id]

        assert advance(saga).state == "completed"
        assert answer.json()["order"]["status"] == "processing"

    def test_what_parks_is_202_with_its_newest_state_until_it_is_final(self, api: Api, sandbox: Sandbox) -> None:
        order = api.order()
        parked = api.checkout(order, "tok_3ds", key="k")
        saga = saga_of(order)
        assert (parked.status_code, parked["Location"]) == (202, f"/v1/sagas/{saga.public_id}")
        assert parked.json()["next_action"] == {"type": "redirect", "url": charge_of(saga).next_action_url}

        again = api.checkout(order, "tok_3ds", key="k")
        assert (again.status_code, again.json()["saga"]["waiting_for"]) == (202, "customer_action")

        url = f"{charge_of(saga).next_action_url}/approve"
        sandbox.http.request("POST", url, fields={}, encode_multipart=False, redirect=False)
        advance(saga)
        final = [api.checkout(order, "tok_3ds", key="k") for _ in range(2)]

        assert [answer.status_code for answer in final] == [201, 201]
        assert final[0].content == final[1].content
        assert final[0].json()["next_action"] is None
        assert final[0][REPLAYED] == "true"

    def test_what_takes_longer_than_a_client_waits_is_left_to_the_worker(self, api: Api, settings: Settings) -> None:
        settings.CHECKOUT_WAIT_SECONDS = 0.0
        order = api.order()

        answer = api.checkout(order, key="k")

        saga = saga_of(order)
        assert (answer.status_code, saga.lease_owner) == (202, "")
        end_sending(saga)
        advance(saga)
        assert api.checkout(order, key="k").status_code == 201

    def test_what_a_person_has_to_decide_stays_202(self, api: Api) -> None:
        order = api.order(postal_code="99999")

        answers = [api.checkout(order, "tok_refund_fails", key="k") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[1].json()["saga"]["state"] == "failed_compensation"
        assert answers[1].json()["order"]["status"] == "needs_attention"


@pytest.fixture
def concurrent_api(transactional_db: None, sandbox: Sandbox) -> Api:
    return Api()


def at_once(count: int, work: Any) -> list[Any]:
    barrier = Barrier(count)

    def run(number: int) -> Any:
        barrier.wait()
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_of_many_requests_with_one_key_at_once_one_is_carried_out(concurrent_api: Api, sandbox: Sandbox) -> None:
    order = concurrent_api.order()

    answers = at_once(4, lambda _: concurrent_api.checkout(order, key="k"))

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert [answer.status_code for answer in answers].count(201) >= 1
    assert {code(answer)[1] for answer in answers if answer.status_code == 409} <= {"idempotency_in_flight"}
    assert SagaExecution.objects.filter(order=order).count() == 1
    assert len([e for e in sandbox.effective("capture") if e["order"] == order.public_id]) == 1
    assert concurrent_api.checkout(order, key="k").status_code == 201


def test_of_many_checkouts_of_one_order_at_once_one_is_carried_out(concurrent_api: Api, sandbox: Sandbox) -> None:
    order = concurrent_api.order()

    answers = at_once(4, lambda number: concurrent_api.checkout(order, key=f"k{number}"))

    refused = [code(answer) for answer in answers if answer.status_code != 201]
    assert refused == [(409, "order_not_payable")] * 3
    assert len([e for e in sandbox.effective("capture") if e["order"] == order.public_id]) == 1


def test_frozen_bodies_are_json(api: Api) -> None:
    api.checkout(make_order(api.user), key="k")

    assert set(json.loads(bytes(IdempotencyKey.objects.get().answer))) == {"order", "charge", "saga", "next_action"}
