from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from structlog.testing import capture_logs

from config.demo_data.records import id_at
from fraud.facts import ListName
from fraud.services import add_list_entry
from orders.models import Order
from payments.models import ChargeAttempt, IdempotencyKey, SagaExecution
from tests.payments.builders import Api, advance, begin_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

LIMIT = 3


@pytest.fixture(autouse=True)
def few_declines(settings: Settings) -> None:
    settings.CARD_TESTING_DECLINES = LIMIT


def suspected(answer: Any) -> int:
    """After how many seconds to come back, of an answer that has to be the one for suspected card testing."""
    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json"), answer.content
    assert (answer.json()["code"], answer.json()["retriable"]) == ("card_testing_suspected", True)
    return int(answer["Retry-After"])


def decline(api: Api, payment_method: str = "tok_declined", *, times: int = 1, **fields: str) -> None:
    for _ in range(times):
        assert api.checkout(api.order(), payment_method, **fields).status_code == 402


def assert_nothing_is_begun(order: Order, sandbox: Sandbox) -> None:
    order.refresh_from_db()
    assert (order.status, order.checkout_number) == ("open", 0)
    assert not SagaExecution.objects.filter(order=order).exists()
    assert not [entry for entry in sandbox.journal() if entry["order"] == order.public_id]


def make_older(charge: ChargeAttempt, age: timedelta) -> None:
    assert ChargeAttempt.objects.filter(pk=charge.pk).update(id=id_at(timezone.now() - age)) == 1


class TestRefusing:
    def test_a_client_with_many_declines_is_asked_to_wait_whatever_its_next_card(
        self, api: Api, sandbox: Sandbox
    ) -> None:
        for payment_method in ("tok_declined", "tok_insufficient_funds", "tok_expired_card"):
            decline(api, payment_method)
        order, keys = api.order(), IdempotencyKey.objects.count()

        answer = api.checkout(order, "tok_visa", key="k")

        assert 590 <= suspected(answer) <= 600
        assert_nothing_is_begun(order, sandbox)
        assert IdempotencyKey.objects.count() == keys

    def test_one_decline_fewer_is_let_through(self, api: Api) -> None:
        decline(api, times=LIMIT - 1)

        assert api.checkout(api.order()).status_code == 201

    def test_one_card_is_watched_across_clients(self, api: Api, sandbox: Sandbox) -> None:
        decline(Api(), times=LIMIT - 1)
        decline(api)
        order = api.order()

        assert suspected(api.checkout(order, "tok_declined"))

        assert_nothing_is_begun(order, sandbox)
        assert api.checkout(order, "tok_visa").status_code == 201

    def test_one_address_is_watched_across_clients(self, api: Api, sandbox: Sandbox) -> None:
        for payment_method in ("tok_declined", "tok_insufficient_funds", "tok_expired_card"):
            decline(Api(), payment_method, customer_ip="2001:db8::1")
        order = api.order()

        assert suspected(api.checkout(order, customer_ip="2001:DB8:0:0::1"))

        assert_nothing_is_begun(order, sandbox)
        assert api.checkout(order, customer_ip="2001:db8::2").status_code == 201

    def test_checkouts_that_name_no_address_have_none_in_common(self, api: Api) -> None:
        for payment_method in ("tok_declined", "tok_insufficient_funds", "tok_expired_card"):
            decline(Api(), payment_method)

        assert api.checkout(api.order()).status_code == 201

    def test_a_log_line_and_a_metric_say_what_they_had_in_common(self, api: Api) -> None:
        decline(api, times=LIMIT, customer_ip="192.0.2.1")

        with capture_logs() as logs:
            api.checkout(api.order(), "tok_declined", customer_ip="192.0.2.7")

        [line] = [line for line in logs if line["event"] == "card_testing_suspected"]
        assert (line["same"], line["client"], line["declines"]) == (["card", "client"], api.user.pk, LIMIT)
        assert "tok_declined" not in str(line)


class TestWhatCounts:
    def test_what_the_fraud_rules_block_does_not(self, api: Api) -> None:
        add_list_entry("blocked@example.com", list_name=ListName.BLOCK)
        for _ in range(LIMIT):
            answer = api.checkout(api.order(customer_email="blocked@example.com"))
            assert answer.json()["code"] == "fraud_blocked"
        for _ in range(LIMIT):
            assert api.checkout(api.order(), "tok_avs_mismatch").json()["code"] == "fraud_blocked"

        assert api.checkout(api.order()).status_code == 201

    def test_payments_that_went_well_or_could_not_be_made_do_not(self, api: Api) -> None:
        for payment_method in ("tok_visa", "tok_visa", "tok_server_error"):
            api.checkout(api.order(), payment_method)

        assert api.checkout(api.order()).status_code == 201

    def test_what_the_worker_finds_declined_counts_too(self, api: Api) -> None:
        decline(api, times=LIMIT - 1)
        saga = begin_checkout(api.order(), "tok_declined")
        assert api.checkout(api.order()).status_code == 201
        advance(saga)

        assert suspected(api.checkout(api.order()))

    def test_declines_older_than_ten_minutes_do_not(self, api: Api) -> None:
        decline(api, times=LIMIT)
        oldest = ChargeAttempt.objects.earliest("pk")
        make_older(oldest, timedelta(minutes=10, milliseconds=5))

        assert api.checkout(api.order()).status_code == 201


class TestWaiting:
    def test_the_client_is_told_when_the_oldest_that_counts_will_be_forgotten(self, api: Api) -> None:
        decline(api, times=LIMIT)
        make_older(ChargeAttempt.objects.earliest("pk"), timedelta(minutes=9, seconds=30))

        assert 25 <= suspected(api.checkout(api.order())) <= 31

    def test_of_more_declines_than_it_takes_enough_have_to_be_forgotten(self, api: Api, settings: Settings) -> None:
        settings.CARD_TESTING_DECLINES = 100
        decline(api, times=LIMIT + 1)
        settings.CARD_TESTING_DECLINES = LIMIT
        first, second, *_ = ChargeAttempt.objects.order_by("pk")
        make_older(first, timedelta(minutes=9))
        make_older(second, timedelta(minutes=8))

        assert 115 <= suspected(api.checkout(api.order())) <= 121

    def test_after_the_wait_the_same_request_with_the_same_key_goes_through(self, api: Api) -> None:
        decline(api, times=LIMIT)
        order = api.order()
        make_older(ChargeAttempt.objects.earliest("pk"), timedelta(minutes=9, seconds=59))
        wait = suspected(api.checkout(order, key="k"))

        for charge in ChargeAttempt.objects.filter(status="declined"):
            make_older(charge, timedelta(minutes=9, seconds=59) + timedelta(seconds=wait))

        assert api.checkout(order, key="k").status_code == 201


def test_what_has_begun_is_answered_all_the_same(api: Api) -> None:
    order = api.order()
    first = api.checkout(order, "tok_declined", key="k")
    decline(api, times=LIMIT - 1)
    assert suspected(api.checkout(api.order()))

    assert api.checkout(order, "tok_declined", key="k").content == first.content


def test_it_takes_one_statement_by_the_index_on_status(api: Api) -> None:
    decline(api)

    with CaptureQueriesContext(connection) as queries:
        api.checkout(api.order())

    asked = [query["sql"] for query in queries if "'declined'" in query["sql"]]
    assert len([sql for sql in asked if sql.startswith("SELECT")]) == 1
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {asked[0]}")
            assert "USING INDEX charge_by_status (status=? AND id>?)" in str(cursor.fetchall())
