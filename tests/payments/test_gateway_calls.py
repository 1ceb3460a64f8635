"""The record of calls: who writes it, and for how long it is kept."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from time import sleep

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from orders.models import Order
from payments.gateways import audit
from payments.gateways.base import Call
from payments.models import GatewayCall, SagaExecution
from payments.reaping import BATCH, prune_gateway_calls
from payments.sagas import engine, leases
from payments.sagas.authorization import Authorization
from tests.orders.builders import make_order
from tests.payments.builders import begin_checkout, run_checkout
from tests.payments.interventions.builders import ask_for, failed_refund
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

DAYS = timedelta(days=90)


def make_calls(number: int, *, old: timedelta) -> None:
    GatewayCall.objects.bulk_create(
        GatewayCall(
            gateway="sandbox", operation="look_up", outcome="succeeded", url="GET /x", milliseconds=1, at=Now() - old
        )
        for _ in range(number)
    )


def recorded(saga: SagaExecution) -> list[tuple[str, str, str, str]]:
    rows = GatewayCall.objects.filter(saga=saga).order_by("id").select_related("step")
    return [(row.gateway, row.operation, row.outcome, row.step.name if row.step else "") for row in rows]


def test_a_checkout_records_each_of_its_calls_beside_its_step(sandbox: Sandbox) -> None:
    saga = run_checkout()

    assert recorded(saga) == [
        ("sandbox", "authorize", "succeeded", "authorize_payment"),
        ("sandbox", "capture", "succeeded", "capture_payment"),
        ("sandbox_carrier", "ship", "succeeded", "create_shipment"),
    ]
    assert set(GatewayCall.objects.values_list("order", flat=True)) == {saga.order_id}


def test_tries_and_look_ups_are_calls_too(sandbox: Sandbox) -> None:
    sandbox.fault("status_500", operation="capture", times=1)
    saga = run_checkout()

    assert [row[1:3] for row in recorded(saga)] == [
        ("authorize", "succeeded"),
        ("capture", "unknown"),
        ("look_up", "succeeded"),
        ("capture", "succeeded"),
        ("ship", "succeeded"),
    ]


def test_what_people_have_asked_is_recorded_at_once(sandbox: Sandbox) -> None:
    saga = failed_refund()
    before = recorded(saga)

    ask_for(saga, "look_up")

    assert [row[1:3] for row in recorded(saga)[len(before) :]] == [("look_up", "succeeded")]


def test_the_call_of_a_worker_that_has_lost_its_lease_is_recorded(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    saga = begin_checkout(make_order())
    execute = Authorization.execute

    def execute_late(operation: Authorization, run: object, request: object) -> object:
        outcome = execute(operation, run, request)  # type: ignore[arg-type]
        assert leases.take_over(saga.pk, epoch=1)
        return outcome

    monkeypatch.setattr(Authorization, "execute", execute_late)
    assert engine.advance(saga.pk, owner="slow")

    assert recorded(saga) == [("sandbox", "authorize", "succeeded", "authorize_payment")]


def test_the_database_refuses_to_change_a_call() -> None:
    make_calls(1, old=timedelta(0))

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        GatewayCall.objects.update(outcome="declined")

    assert GatewayCall.objects.get().outcome == "succeeded"


def test_calls_are_forgotten_when_they_are_old_enough() -> None:
    make_calls(3, old=DAYS + timedelta(minutes=1))
    make_calls(2, old=DAYS - timedelta(minutes=1))

    prune_gateway_calls()

    assert GatewayCall.objects.count() == 2
    prune_gateway_calls()
    assert GatewayCall.objects.count() == 2


def test_more_than_a_batch_of_them_too() -> None:
    make_calls(BATCH + 1, old=DAYS + timedelta(minutes=1))

    prune_gateway_calls()

    assert not GatewayCall.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_calls_that_are_kept_beside_a_saga_that_goes_on_lock_in_its_order() -> None:
    saga = begin_checkout(make_order())
    call = Call("look_up", "GET /x", 200, 1, None, None, gateway="sandbox", outcome="succeeded")
    has_saga = Event()

    def carry_on() -> None:
        with transaction.atomic():
            SagaExecution.objects.select_for_update().get(pk=saga.pk)
            has_saga.set()
            sleep(0.3)  # for the other to come as far as it can
            Order.objects.select_for_update().get(pk=saga.order_id)
        connection.close()

    def keep() -> None:
        assert has_saga.wait(5)
        audit.keep([call], order=saga.order, saga=saga)
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(carry_on), pool.submit(keep)]:
            done.result()

    assert GatewayCall.objects.filter(saga=saga).count() == 1
