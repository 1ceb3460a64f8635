import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders.ids import parse_id
from orders.models import Order
from payments.models import IdempotencyKey
from tests.orders.builders import make_stock
from tests.payments.builders import Api

pytestmark = pytest.mark.django_db

Body = dict[str, Any]


@pytest.fixture
def api(db: None) -> Api:
    make_stock("TEE")
    return Api()


def order_of(**changes: Any) -> Body:
    """The body of an ordinary order; a change to None leaves the member out."""
    body = {
        "reference": "web-1",
        "currency": "USD",
        "customer": {"id": "c-1", "email": "jo@example.com"},
        "lines": [line()],
        "billing": {"country": "US", "postal_code": "10001"},
        "shipping": {"country": "US", "postal_code": "10001"},
        "metadata": {"channel": "web", "vip": True, "score": 1.5},
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def line(**changes: Any) -> Body:
    return {"sku": "TEE", "quantity": 2, "unit_amount": 1999, **changes}


def assert_nothing_was_placed() -> None:
    assert not Order.objects.exists()
    assert not IdempotencyKey.objects.exists()


class TestPlacing:
    def test_an_order_is_placed_and_shown_as_it_was_sent(self, api: Api) -> None:
        answer = api.post("orders", order_of())

        placed = Order.objects.get()
        body = answer.json()
        assert (answer.status_code, answer["Location"]) == (201, f"/v1/orders/{placed.public_id}")
        assert (body["id"], body["status"], body["amount"], body["amount_paid"]) == (
            placed.public_id, "open", 3998, 0,
        )  # fmt: skip
        assert body["lines"] == [{"sku": "TEE", "name": "", "quantity": 2, "unit_amount": 1999}]
        assert body["metadata"] == {"channel": "web", "vip": True, "score": 1.5}
        assert placed.client == api.user

    def test_what_may_be_left_out_may_be_left_out(self, api: Api) -> None:
        body = order_of(reference=None, billing=None, shipping=None, metadata=None)

        assert api.post("orders", body).status_code == 201

    def test_the_same_key_places_one_order(self, api: Api) -> None:
        first = api.post("orders", order_of(), key="k")

        again = api.post("orders", order_of(), key="k")

        assert (again.status_code, again.content, again["Idempotent-Replayed"]) == (201, first.content, "true")
        assert Order.objects.count() == 1

    def test_the_largest_amount_a_column_holds_is_placed(self, api: Api) -> None:
        largest = 2**63 - 1

        answer = api.post("orders", order_of(lines=[line(quantity=1, unit_amount=largest)]))

        assert answer.json()["amount"] == largest

    @pytest.mark.parametrize(("currency", "amount"), [("JPY", 500), ("BHD", 12_345)])
    def test_currencies_of_other_exponents_are_minor_units_too(self, api: Api, currency: str, amount: int) -> None:
        body = order_of(currency=currency, lines=[line(quantity=1, unit_amount=amount)])

        assert api.post("orders", body).json()["amount"] == amount


BAD: dict[str, tuple[Body, str]] = {
    "an unknown item": (order_of(lines=[line(sku="NO-SUCH")]), "lines.0.sku"),
    "a quantity of zero": (order_of(lines=[line(quantity=0)]), "lines.0.quantity"),
    "a negative quantity": (order_of(lines=[line(quantity=-1)]), "lines.0.quantity"),
    "a huge quantity": (order_of(lines=[line(quantity=10**9)]), "lines.0.quantity"),
    "a quantity as text": (order_of(lines=[line(quantity="2")]), "lines.0.quantity"),
    "a quantity with a point": (order_of(lines=[line(quantity=2.0)]), "lines.0.quantity"),
    "a quantity that is true": (order_of(lines=[line(quantity=True)]), "lines.0.quantity"),
    "a negative amount": (order_of(lines=[line(unit_amount=-1)]), "lines.0.unit_amount"),
    "an amount as text": (order_of(lines=[line(unit_amount="1999")]), "lines.0.unit_amount"),
    "nothing to pay": (order_of(lines=[line(unit_amount=0)]), "lines"),
    "a sum beyond 64 bits": (order_of(lines=[line(quantity=100_000, unit_amount=2**62)]), "lines"),
    "no lines": (order_of(lines=[]), "lines"),
    "lines that are no list": (order_of(lines={"sku": "TEE"}), "lines"),
    "a line that is no object": (order_of(lines=["TEE"]), "lines.0"),
    "an unknown currency": (order_of(currency="ABC"), "currency"),
    "a currency in small letters": (order_of(currency="usd"), "currency"),
    "gold": (order_of(currency="XAU"), "currency"),
    "no currency": (order_of(currency=None), "currency"),
    "a number for a currency": (order_of(currency=840), "currency"),
    "no e-mail": (order_of(customer={"id": "c-1"}), "customer.email"),
    "an e-mail that is none": (order_of(customer={"id": "c-1", "email": "jo"}), "customer.email"),
    "a customer that is text": (order_of(customer="c-1"), "customer"),
    "an unknown member": (order_of(amount=1), "amount"),
    "an unknown member of a line": (order_of(lines=[line(price=1)]), "lines.0.price"),
    "an unknown country": (order_of(billing={"country": "ZZ"}), "billing.country"),
    "a number in an address": (order_of(shipping={"postal_code": 10001}), "shipping.postal_code"),
    "a nested member of metadata": (order_of(metadata={"a": {"b": 1}}), "metadata.a"),
    "too long a reference": (order_of(reference="x" * 65), "reference"),
}


class TestBadInput:
    @pytest.mark.parametrize("case", BAD)
    def test_names_the_field_and_places_nothing(self, api: Api, case: str) -> None:
        body, field = BAD[case]

        answer = api.post("orders", body)

        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), answer.content
        assert [fault["field"] for fault in answer.json()["errors"]] == [field]
        assert_nothing_was_placed()

    def test_all_faults_are_named_at_once(self, api: Api) -> None:
        body = order_of(currency="ABC", lines=[line(quantity=0), line(), line(unit_amount="1")], surprise=1)

        faults = [fault["field"] for fault in api.post("orders", body).json()["errors"]]

        assert sorted(faults) == ["currency", "lines.0.quantity", "lines.2.unit_amount", "surprise"]

    @pytest.mark.parametrize("amount", ["9223372036854775808", "-9223372036854775809", "1e999", "NaN", "1" + "0" * 400])
    def test_a_number_beyond_64_bits_is_400(self, api: Api, amount: str) -> None:
        body = json.dumps(order_of()).replace("1999", amount).encode()

        answer = api.post("orders", body)

        assert (answer.status_code, answer.json()["code"]) == (400, "malformed"), answer.content
        assert_nothing_was_placed()

    def test_a_missing_key_is_400(self, api: Api) -> None:
        answer = api.post("orders", order_of(), key=None)

        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
        assert_nothing_was_placed()

    def test_an_unknown_token_is_401(self, api: Api) -> None:
        answer = api.post("orders", order_of(), Authorization="Bearer " + "x" * 64)

        assert (answer.status_code, answer.json()["detail"]) == (401, "Invalid credentials")
        assert_nothing_was_placed()

    def test_a_missing_permission_is_403(self, api: Api) -> None:
        api.user.groups.clear()

        assert api.post("orders", order_of()).status_code == 403
        assert_nothing_was_placed()

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        body=st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from([*order_of(), *line(), "id", "email", "x"]), inner, max_size=6)
            ),
            max_leaves=12,
        )
    )
    def test_no_body_makes_a_500(self, api: Api, body: Any) -> None:
        answer = api.post("orders", json.dumps(body).encode())

        assert answer.status_code in (201, 400, 422), answer.content


class TestReading:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"status": "open"}, 1),
            ({"status": "completed"}, 0),
            ({"reference": "web-1"}, 1),
            ({"reference": "web-2"}, 0),
            ({"created_after": "2000-01-01T00:00:00Z"}, 1),
            ({"created_before": "2000-01-01T00:00:00Z"}, 0),
        ],
    )
    def test_lists_are_filtered(self, api: Api, query: dict[str, str], found: int) -> None:
        api.post("orders", order_of())

        assert len(api.get("orders", **query).json()["results"]) == found

    def test_the_newest_order_comes_first(self, api: Api) -> None:
        placed = [api.post("orders", order_of()).json()["id"] for _ in range(3)]

        assert [row["id"] for row in api.get("orders").json()["results"]] == placed[::-1]

    def test_a_list_of_eight_takes_as_many_queries_as_one_of_two(self, api: Api) -> None:
        counts = []
        for made in (2, 6):
            for _ in range(made):
                api.post("orders", order_of())
            with CaptureQueriesContext(connection) as queries:
                api.get("orders")
            counts.append(len(queries))

        assert counts[0] == counts[1]

    def test_another_clients_order_is_404(self, api: Api) -> None:
        order = Api().order()

        answer = api.get(f"orders/{order.public_id}")

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@given(text=st.text(max_size=40) | st.from_regex(r"ord_[0-9a-z]{0,28}", fullmatch=True))
def test_no_text_breaks_the_reading_of_an_id(text: str) -> None:
    parsed = parse_id("ord", text)

    assert parsed is None or text.startswith("ord_")
