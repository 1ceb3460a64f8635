from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from payments.models import ChargeAttempt, SagaExecution
from tests.orders.builders import make_client
from tests.payments.builders import Api, charge_of, run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def bought(api: Api, payment_method: str = "tok_visa", **fields: Any) -> SagaExecution:
    return run_checkout(api.order(**fields), payment_method)


class TestReading:
    def test_a_charge_shows_what_was_taken_and_with_which_card(self, api: Api) -> None:
        charge = charge_of(bought(api))

        shown = api.get(f"charges/{charge.public_id}").json()

        assert (shown["id"], shown["order"], shown["status"]) == (
            charge.public_id, charge.order.public_id, "captured",
        )  # fmt: skip
        assert (shown["amount"], shown["amount_captured"], shown["amount_refunded"]) == (
            charge.amount_minor, charge.amount_minor, 0,
        )  # fmt: skip
        assert (shown["gateway"], shown["gateway_reference"]) == ("sandbox", charge.gateway_reference)
        assert (shown["avs_result"], shown["cvv_result"], shown["decline_code"]) == ("match", "match", "")

    def test_a_declined_charge_says_why(self, api: Api) -> None:
        charge = charge_of(bought(api, "tok_insufficient_funds"))

        shown = api.get(f"charges/{charge.public_id}").json()

        assert (shown["status"], shown["decline_code"], shown["amount_captured"]) == (
            "declined", "insufficient_funds", 0,
        )  # fmt: skip

    def test_a_saga_shows_its_steps_and_its_history(self, api: Api) -> None:
        saga = bought(api, postal_code="99999")

        shown = api.get(f"sagas/{saga.public_id}").json()

        assert (shown["state"], shown["definition"], shown["version"]) == ("compensated", "checkout", 1)
        assert shown["failure"]["code"] == "shipment_refused"
        steps = [(step["name"], step["direction"], step["outcome"]) for step in shown["steps"]]
        assert steps[0] == ("reserve_inventory", "forward", "ok")
        assert ("create_shipment", "forward", "declined") in steps
        assert ("refund_payment", "compensating", "ok") in steps
        assert [outcome for _, direction, outcome in steps if direction == "compensating"].count("not_needed") == 2
        assert "compensation_started" in [event["kind"] for event in shown["events"]]

    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("charges?status=captured", 1),
            ("charges?status=voided", 0),
            ("charges?gateway=sandbox", 1),
            ("charges?gateway=stripe", 0),
            ("charges?created_after=2000-01-01T00:00:00Z", 1),
            ("charges?created_before=2000-01-01T00:00:00Z", 0),
            ("sagas?state=completed", 1),
            ("sagas?state=waiting", 0),
            ("sagas?definition=checkout", 1),
            ("sagas?definition=remedy", 0),
        ],
    )
    def test_lists_are_filtered(self, api: Api, path: str, found: int) -> None:
        bought(api)

        assert len(api.get(path).json()["results"]) == found

    def test_the_charges_of_one_order(self, api: Api) -> None:
        wanted, _other = bought(api), bought(api)
        charge = charge_of(wanted)

        results = api.get("charges", order=charge.order.public_id).json()["results"]

        assert [row["id"] for row in results] == [charge.public_id]

    @pytest.mark.parametrize("path", ["charges?status=nonsense", "sagas?state=nonsense", "charges?order=ord_nonsense"])
    def test_a_filter_that_means_nothing_is_named(self, api: Api, path: str) -> None:
        answer = api.get(path)

        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


class TestWhoMaySee:
    def test_another_clients_objects_are_not_there(self, api: Api) -> None:
        saga = bought(Api())
        charge = charge_of(saga)

        for path in (f"orders/{charge.order.public_id}", f"charges/{charge.public_id}", f"sagas/{saga.public_id}"):
            assert api.get(path).status_code == 404, path
        for path in ("orders", "charges", "sagas"):
            assert api.get(path).json()["results"] == [], path

    def test_an_operator_sees_every_clients_objects(self, api: Api) -> None:
        saga = bought(api)
        charge = charge_of(saga)
        operator = Api(make_client("Operator"))

        for path in (f"orders/{charge.order.public_id}", f"charges/{charge.public_id}", f"sagas/{saga.public_id}"):
            assert operator.get(path).status_code == 200, path

    @pytest.mark.parametrize("path", ["orders", "charges", "sagas"])
    def test_without_the_permission_it_is_403(self, api: Api, path: str) -> None:
        api.user.groups.clear()

        answer = api.get(path)

        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")

    @pytest.mark.parametrize(
        "name", ["charges/ch_", "charges/x", "sagas/saga_zz", "sagas/ch_01h455vb4pex5vsknk084sn02q"]
    )
    def test_a_name_that_is_none_is_404(self, api: Api, name: str) -> None:
        assert api.get(name).status_code == 404


@pytest.mark.parametrize("path", ["orders", "charges", "sagas"])
def test_a_list_of_eight_takes_as_many_queries_as_one_of_two(api: Api, sandbox: Sandbox, path: str) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert len(api.get(path).json()["results"]) == made
        return len(queries)

    for _ in range(2):
        bought(api, "tok_declined")
    made = 2
    few = count()
    for _ in range(6):
        bought(api, "tok_declined")
    made = 8

    assert count() == few
    assert ChargeAttempt.objects.count() == 8
