"""The database holds the last line: what must never be true cannot be written, whoever tries."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from orders.models import Order
from payments.models import ChargeAttempt, GatewayOutcome, IdempotencyKey, LedgerPosting, Refund, SagaEvent, SagaStep
from tests.orders.builders import make_client, make_order
from tests.payments.builders import begin_checkout

pytestmark = pytest.mark.django_db


def make_charge(order: Order | None = None, **fields: Any) -> ChargeAttempt:
    order = order or make_order()
    Order.objects.filter(pk=order.pk).update(status="payment_failed")
    order.refresh_from_db()
    facts = {"gateway": "sandbox", "amount_minor": order.amount_minor, "currency": order.currency}
    return ChargeAttempt.objects.create(order=order, saga=begin_checkout(order), **{**facts, **fields})


def refused(write: Callable[[], object], constraint: str = "") -> None:
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        write()
    # SQLite names the columns of a unique index instead of the constraint.
    assert constraint in str(refusal.value) or "UNIQUE constraint failed" in str(refusal.value)


class TestCharges:
    @pytest.mark.parametrize("live", ["pending", "unknown", "requires_action", "authorized"])
    @pytest.mark.parametrize("second", ["pending", "unknown", "requires_action", "authorized"])
    def test_an_order_has_one_live_charge(self, live: str, second: str) -> None:
        order = make_charge(status=live).order

        refused(lambda: make_charge(order, status=second), "one_live_charge_per_order")

    def test_a_captured_charge_is_live_until_it_is_refunded(self) -> None:
        charge = make_charge(status="captured", authorized_minor=2500, captured_minor=2500, refunded_minor=2499)
        refused(lambda: make_charge(charge.order), "one_live_charge_per_order")

        ChargeAttempt.objects.filter(pk=charge.pk).update(refunded_minor=2500)

        assert make_charge(charge.order).status == "pending"

    @pytest.mark.parametrize("dead", ["voided", "declined", "failed"])
    def test_a_dead_charge_is_in_nobodys_way(self, dead: str) -> None:
        order = make_charge(status=dead).order

        assert make_charge(order).status == "pending"

    @pytest.mark.parametrize(
        "amounts",
        [
            {"authorized_minor": 2501},
            {"authorized_minor": 100, "captured_minor": 101},
            {"authorized_minor": 100, "captured_minor": 100, "refunded_minor": 101},
            {"authorized_minor": 100, "captured_minor": 100, "refunded_minor": 60, "refund_pending_minor": 41},
            {"refunded_minor": -1},
            {"refund_pending_minor": -1},
        ],
    )
    def test_refunded_stays_within_captured_within_authorized_within_asked(self, amounts: dict[str, Any]) -> None:
        refused(lambda: make_charge(**amounts), "refunded_within_captured_within_authorized")

    @pytest.mark.parametrize("amount", [0, -1])
    def test_a_charge_asks_for_something(self, amount: int) -> None:
        refused(lambda: make_charge(amount_minor=amount), "charge_amount_positive")

    def test_a_gateways_charge_belongs_to_one_of_ours(self) -> None:
        make_charge(gateway_reference="sch_1")

        refused(lambda: make_charge(gateway_reference="sch_1"), "one_charge_per_gateway_reference")

    def test_a_charge_advances_from_where_it_is_or_not_at_all(self) -> None:
        charge = make_charge(status="authorized", authorized_minor=2500)
        stale = ChargeAttempt.objects.get(pk=charge.pk)

        assert charge.advance(ChargeAttempt.Status.VOIDED)
        assert not stale.advance(ChargeAttempt.Status.CAPTURED, captured_minor=2500)

        charge.refresh_from_db()
        assert (charge.status, charge.captured_minor) == ("voided", 0)


class TestRefunds:
    def test_a_refund_gives_something_back(self) -> None:
        charge = make_charge()

        refused(
            lambda: Refund.objects.create(charge=charge, saga=charge.saga, amount_minor=0, currency="USD"),
            "refund_amount_positive",
        )

    def test_a_saga_refunds_a_charge_once(self) -> None:
        charge = make_charge()
        Refund.objects.create(charge=charge, saga=charge.saga, amount_minor=1, currency="USD")

        refused(
            lambda: Refund.objects.create(charge=charge, saga=charge.saga, amount_minor=1, currency="USD"),
            "one_refund_per_saga_and_charge",
        )


def post(**fields: Any) -> LedgerPosting:
    facts = {
        "gateway": "sandbox",
        "kind": "capture",
        "transaction_id": "stx_1",
        "debit": "gateway_clearing",
        "credit": "sales",
        "amount_minor": 100,
        "currency": "USD",
    }
    return LedgerPosting.objects.create(**{**facts, **fields})


class TestTheLedger:
    def test_a_movement_is_posted_once(self) -> None:
        post()

        refused(post, "one_posting_per_gateway_transaction")

    @pytest.mark.parametrize("amount", [0, -100])
    def test_a_posting_moves_something(self, amount: int) -> None:
        refused(lambda: post(amount_minor=amount), "posting_amount_positive")

    def test_a_posting_moves_it_from_one_account_to_another(self) -> None:
        refused(lambda: post(credit="gateway_clearing"), "posting_moves_between_two_accounts")

    def test_an_outcome_is_recorded_once(self) -> None:
        charge = make_charge()

        def record() -> GatewayOutcome:
            what = {"operation": "capture", "transaction_id": "stx_1", "amount_minor": 1, "currency": "USD"}
            return GatewayOutcome.objects.create(charge=charge, gateway="sandbox", source="answer", **what)

        record()

        refused(record, "one_outcome_per_gateway_transaction")


def a_posting() -> LedgerPosting:
    return post()


def an_outcome() -> GatewayOutcome:
    what = {"operation": "capture", "transaction_id": "stx_1", "amount_minor": 1, "currency": "USD"}
    return GatewayOutcome.objects.create(charge=make_charge(), gateway="sandbox", source="answer", **what)


def an_event() -> SagaEvent:
    return SagaEvent.objects.create(saga=begin_checkout(make_order()), kind="parked")


@pytest.mark.parametrize("make", [a_posting, an_outcome, an_event])
@pytest.mark.parametrize("statement", ["UPDATE {table} SET id = id", "DELETE FROM {table}"])
def test_facts_are_neither_changed_nor_removed(make: Callable[[], Any], statement: str) -> None:
    fact = make()
    table = fact._meta.db_table

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table=table))

    assert type(fact).objects.filter(pk=fact.pk).exists()


class TestSagas:
    def test_a_checkout_has_one_saga(self) -> None:
        saga = begin_checkout(make_order())
        saga.pk, saga.idempotency_key = type(saga)().pk, None

        refused(lambda: saga.save(force_insert=True), "one_saga_per_business_key")

    def test_a_step_is_taken_once_in_each_direction(self) -> None:
        saga = begin_checkout(make_order())
        SagaStep.objects.create(saga=saga, position=0, direction="forward", name="one")
        SagaStep.objects.create(saga=saga, position=0, direction="compensating", name="one")

        refused(
            lambda: SagaStep.objects.create(saga=saga, position=0, direction="forward", name="two"),
            "one_step_per_position_direction",
        )

    def test_a_key_is_used_once_by_each_client(self) -> None:
        first, second = make_client(), make_client()
        for client in (first, second):
            IdempotencyKey.objects.create(client=client, key="k", fingerprint="f")

        refused(
            lambda: IdempotencyKey.objects.create(client=first, key="k", fingerprint="g"), "one_use_per_client_and_key"
        )
