from typing import Any

import pytest

from orders.models import Order, StockItem
from payments.models import SagaExecution
from tests.orders.builders import make_stock
from tests.payments.builders import Api, advance, charge_of
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api(sandbox: Sandbox) -> Api:
    return Api()


def cancel(api: Api, order: Order, **headers: Any) -> Any:
    return api.post(f"orders/{order.public_id}/cancel", **headers)


def test_an_open_order_is_cancelled_for_good(api: Api) -> None:
    order = api.order()

    answer = cancel(api, order)

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert api.checkout(order).json()["code"] == "order_not_payable"


def test_cancelling_again_changes_nothing(api: Api) -> None:
    order = api.order()
    first = cancel(api, order, key="once")

    assert cancel(api, order, key="once").content == first.content
    assert cancel(api, order).json()["status"] == "cancelled"


def test_a_completed_order_is_not_cancelled(api: Api) -> None:
    order = api.order()
    api.checkout(order)

    answer = cancel(api, order)

    assert (answer.status_code, answer.json()["code"]) == (409, "order_not_cancellable")
    assert "completed" in answer.json()["detail"]


@pytest.mark.parametrize("payment_method", ["tok_3ds", "tok_avs_partial"])
def test_a_checkout_that_waits_for_a_person_is_undone(api: Api, payment_method: str, sandbox: Sandbox) -> None:
    item = make_stock(available=5)
    order = api.order(item=item)
    assert api.checkout(order, payment_method, key="pay").status_code == 202

    answer = cancel(api, order)

    assert (answer.status_code, answer.json()["cancel_requested_at"] is not None) == (200, True)
    saga = advance(SagaExecution.objects.get(order=order))
    order.refresh_from_db()
    assert (saga.state, order.status, charge_of(saga).status) == ("compensated", "cancelled", "voided")
    assert StockItem.objects.get(pk=item.pk).available == 5
    assert not [e for e in sandbox.effective("capture") if e["order"] == order.public_id]
    final = api.checkout(order, payment_method, key="pay")
    assert (final.status_code, final.json()["code"]) == (409, "order_cancelled")


def test_another_clients_order_is_not_found(api: Api, sandbox: Sandbox) -> None:
    assert cancel(Api(), api.order()).status_code == 404


def test_a_body_with_something_in_it_is_refused(api: Api) -> None:
    order = api.order()

    assert api.post(f"orders/{order.public_id}/cancel", {"reason": "x"}).status_code == 422
    order.refresh_from_db()
    assert order.status == "open"
