from typing import Any

import pytest

from fraud.facts import ListName
from fraud.services import add_list_entry
from orders.models import Order, StockItem
from payments.models import ChargeAttempt, IdempotencyKey, SagaExecution
from tests.orders.builders import make_stock
from tests.payments.builders import Api
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

Body = dict[str, Any]


def code(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json", answer.content
    return answer.status_code, answer.json()["code"]


def asked_for(sandbox: Sandbox, order: Order) -> list[str]:
    return [entry["operation"] for entry in sandbox.journal() if entry["order"] == order.public_id]


class TestAnswers:
    def test_a_paid_order_is_201_with_order_charge_and_saga(self, api: Api) -> None:
        order = api.order()

        answer = api.checkout(order)

        body = answer.json()
        assert (answer.status_code, answer["Location"]) == (201, f"/v1/orders/{order.public_id}")
        assert (body["order"]["id"], body["order"]["status"], body["order"]["amount_paid"]) == (
            order.public_id, "completed", order.amount_minor,
        )  # fmt: skip
        assert (body["charge"]["status"], body["charge"]["amount_captured"]) == ("captured", order.amount_minor)
        assert body["charge"]["card"] == {"brand": "visa", "last4": "4242", "country": "US"}
        assert (body["saga"]["state"], body["next_action"]) == ("completed", None)

    @pytest.mark.parametrize(
        ("payment_method", "postal_code", "expected"),
        [
            ("tok_declined", "10001", (402, "card_declined")),
            ("tok_insufficient_funds", "10001", (402, "insufficient_funds")),
            ("tok_expired_card", "10001", (402, "expired_card")),
            ("tok_avs_mismatch", "10001", (402, "fraud_blocked")),
            ("tok_cvv_mismatch", "10001", (402, "fraud_blocked")),
            ("tok_capture_fails", "10001", (402, "card_declined")),
            ("tok_visa", "99999", (409, "shipment_refused")),
            ("tok_server_error", "10001", (502, "gateway_unavailable")),
        ],
    )
    def test_a_refusal_says_why_and_takes_nothing(
        self, api: Api, payment_method: str, postal_code: str, expected: tuple[int, str]
    ) -> None:
        item = make_stock(available=5)
        order = api.order(item=item, postal_code=postal_code)

        answer = api.checkout(order, payment_method)

        order.refresh_from_db()
        item.refresh_from_db()
        assert code(answer) == expected
        assert (order.status, order.paid_minor, item.available) == ("payment_failed", 0, 5)
        assert answer.json()["saga"].startswith("saga_")

    def test_a_blocklisted_customer_is_402_and_no_gateway_is_asked(self, api: Api, sandbox: Sandbox) -> None:
        add_list_entry("blocked@example.com", list_name=ListName.BLOCK)
        item = make_stock(available=5)
        order = api.order(item=item, customer_email="blocked@example.com")

        assert code(api.checkout(order)) == (402, "fraud_blocked")

        item.refresh_from_db()
        assert (asked_for(sandbox, order), item.available) == ([], 5)

    def test_out_of_stock_is_409_and_the_order_stays_open(self, api: Api, sandbox: Sandbox) -> None:
        item = make_stock(available=1)
        order = api.order(item=item, quantity=2)

        assert code(api.checkout(order)) == (409, "out_of_stock")

        order.refresh_from_db()
        item.refresh_from_db()
        assert (order.status, item.available, asked_for(sandbox, order)) == ("open", 1, [])

    def test_an_order_out_of_stock_can_be_checked_out_once_there_is_some(self, api: Api) -> None:
        item = make_stock(available=1)
        order = api.order(item=item, quantity=2)
        api.checkout(order)
        StockItem.objects.filter(pk=item.pk).update(available=2)

        assert api.checkout(order).status_code == 201

    @pytest.mark.parametrize("status", ["processing", "requires_action", "in_review", "completed", "cancelled"])
    def test_an_order_that_is_not_waiting_for_payment_is_409(self, api: Api, sandbox: Sandbox, status: str) -> None:
        order = api.order()
        Order.objects.filter(pk=order.pk).update(status=status)

        assert code(api.checkout(order)) == (409, "order_not_payable")

        order.refresh_from_db()
        assert (order.status, order.checkout_number, asked_for(sandbox, order)) == (status, 0, [])

    def test_a_review_is_202(self, api: Api) -> None:
        answer = api.checkout(api.order(), "tok_avs_partial")

        assert (answer.status_code, answer.json()["order"]["status"]) == (202, "in_review")
        assert answer.json()["saga"]["waiting_for"] == "review"


BAD: dict[str, tuple[Body, str]] = {
    "no payment method": ({}, "payment_method"),
    "a null": ({"payment_method": None}, "payment_method"),
    "a number for text": ({"payment_method": 5}, "payment_method"),
    "blank": ({"payment_method": "  "}, "payment_method"),
    "too long": ({"payment_method": "x" * 129}, "payment_method"),
    "a card number": ({"payment_method": "4242424242424242"}, "payment_method"),
    "a card number with blanks": ({"payment_method": "4242 4242 4242 4242"}, "payment_method"),
    "an unknown member": ({"payment_method": "tok_visa", "amount": 1}, "amount"),
    "a bad address": ({"payment_method": "tok_visa", "customer_ip": "999.1.1.1"}, "customer_ip"),
    "a bad return address": ({"payment_method": "tok_visa", "return_url": "javascript:alert(1)"}, "return_url"),
}


class TestBadInput:
    @pytest.mark.parametrize("case", BAD)
    def test_names_the_field_and_changes_nothing(self, api: Api, sandbox: Sandbox, case: str) -> None:
        body, field = BAD[case]
        order = api.order()

        answer = api.post(f"orders/{order.public_id}/checkout", body)

        assert code(answer) == (422, "validation_failed")
        assert [fault["field"] for fault in answer.json()["errors"]] == [field]
        self.assert_unchanged(order, sandbox)

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"payment_method": "tok_nonsense"}, (422, "invalid_request")),
            ({"payment_method": "tok_visa", "gateway": "nobody"}, (422, "unknown_gateway")),
        ],
    )
    def test_what_can_never_be_charged_is_refused_before_anything_begins(
        self, api: Api, sandbox: Sandbox, fields: Body, expected: tuple[int, str]
    ) -> None:
        order = api.order()

        assert code(api.post(f"orders/{order.public_id}/checkout", fields)) == expected
        self.assert_unchanged(order, sandbox)

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"[]", b'"x"', b'{"payment_method":"tok_visa","payment_method":"tok_amex"}', b"\xff", b"<a/>"],
    )
    def test_what_is_not_one_json_object_is_400(self, api: Api, sandbox: Sandbox, body: bytes) -> None:
        order = api.order()

        answer = api.post(f"orders/{order.public_id}/checkout", body)

        assert answer.status_code in (400, 422), answer.content
        self.assert_unchanged(order, sandbox)

    @pytest.mark.parametrize(
        "name", ["ord_", "ord_zzz", "ch_01h455vb4pex5vsknk084sn02q", "x", "ord_8zzzzzzzzzzzzzzzzzzzzzzzzz"]
    )
    def test_an_order_that_is_not_there_is_404(self, api: Api, name: str) -> None:
        assert code(api.post(f"orders/{name}/checkout", {"payment_method": "tok_visa"})) == (404, "not_found")

    def test_another_clients_order_is_404_and_untouched(self, api: Api, sandbox: Sandbox) -> None:
        order = Api().order()

        assert code(api.checkout(order)) == (404, "not_found")
        self.assert_unchanged(order, sandbox)

    def assert_unchanged(self, order: Order, sandbox: Sandbox) -> None:
        order.refresh_from_db()
        assert (order.status, order.checkout_number) == ("open", 0)
        assert not SagaExecution.objects.exists()
        assert not IdempotencyKey.objects.exists()
        assert not ChargeAttempt.objects.exists()
        assert asked_for(sandbox, order) == []
