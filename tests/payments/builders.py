"""Checkouts, begun through the services or over HTTP, and carried on exchange by exchange."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now
from rest_framework.test import APIClient

from orders.ids import new_id
from orders.models import Order
from payments import services
from payments.models import ChargeAttempt, IdempotencyKey, SagaExecution, SagaStep
from payments.sagas import engine
from tests.config.builders import bearer, make_token
from tests.orders.builders import make_client, make_order

LONG_AGO = timedelta(hours=1)
WORKER = "worker:test"


class Api:
    """The HTTP API as one client meets it."""

    def __init__(self, user: User | None = None) -> None:
        self.user = user or make_client()
        self._http = APIClient(raise_request_exception=False)
        self._headers = bearer(make_token(self.user))

    def get(self, path: str, **query: str) -> Any:
        return self._http.get(f"/v1/{path}", query, headers=self._headers)

    def post(self, path: str, body: Any = None, *, key: str | None = "", **headers: str) -> Any:
        """`key` is a new one unless given; None leaves it out. `body` is sent as JSON, bytes as they are."""
        sent = {**self._headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if key is not None:
            sent["Idempotency-Key"] = key or f"key-{new_id()}"
        if isinstance(body, bytes):
            as_it_is: Any = body
            return self._http.generic("POST", f"/v1/{path}", as_it_is, "application/json", headers=sent)
        return self._http.post(f"/v1/{path}", body or {}, format="json", headers=sent)

    def patch(self, path: str, body: Any) -> Any:
        return self._http.patch(f"/v1/{path}", body, format="json", headers=self._headers)

    def delete(self, path: str) -> Any:
        return self._http.delete(f"/v1/{path}", headers=self._headers)

    def order(self, **fields: Any) -> Order:
        return make_order(self.user, **fields)

    def checkout(
        self, order: Order, payment_method: str = "tok_visa", *, key: str | None = "", prefer: str = "", **fields: Any
    ) -> Any:
        headers = {"Prefer": prefer} if prefer else {}
        body = {"payment_method": payment_method, **fields}
        return self.post(f"orders/{order.public_id}/checkout", body, key=key, **headers)


def begin_checkout(order: Order, payment_method: str = "tok_visa", **payment: Any) -> SagaExecution:
    """A checkout that a worker is to carry on."""
    key = IdempotencyKey.objects.create(client=order.client, key=f"key-{new_id()}", fingerprint="made by a test")
    how = services.Payment(payment_method, **{"gateway": "sandbox", **payment})
    with transaction.atomic():
        return services.start_checkout(order, how, key=key, is_inline=False).saga


def run_checkout(order: Order | None = None, payment_method: str = "tok_visa", **payment: Any) -> SagaExecution:
    """A checkout that a worker has carried as far as it goes by itself."""
    saga = begin_checkout(order or make_order(), payment_method, **payment)
    assert engine.advance(saga.pk, owner=WORKER)
    saga.refresh_from_db()
    return saga


def advance(saga: SagaExecution) -> SagaExecution:
    """Carry a due saga on as far as it goes by itself."""
    make_due(saga)
    assert engine.advance(saga.pk, owner=WORKER), f"{saga} is not to be had: {saga.state}"
    saga.refresh_from_db()
    return saga


def exchange(saga: SagaExecution, *, times: int = 1) -> SagaExecution:
    """Carry a due saga on by so many exchanges with a peer; what would be a pause after the last is a park."""
    make_due(saga)
    assert engine.advance(saga.pk, owner=WORKER, should_stop=_after(times)), f"{saga} is not to be had: {saga.state}"
    saga.refresh_from_db()
    return saga


def _after(times: int) -> Callable[[], bool]:
    left = iter([False] * times)
    return lambda: next(left, True)


def make_due(saga: SagaExecution) -> None:
    """What time would do: a lease lapses, a pause is over."""
    SagaExecution.objects.filter(pk=saga.pk, lease_until__isnull=False).update(lease_until=Now() - LONG_AGO)
    SagaExecution.objects.filter(pk=saga.pk).update(next_run_at=Now() - LONG_AGO)


def end_sending(saga: SagaExecution) -> None:
    """What time would do: no request of the saga can still be on its way."""
    SagaStep.objects.filter(saga=saga, send_before__isnull=False).update(send_before=Now() - LONG_AGO)


def charge_of(saga: SagaExecution) -> ChargeAttempt:
    return ChargeAttempt.objects.select_related("order").get(saga=saga)


def step_of(saga: SagaExecution, name: str) -> SagaStep:
    return SagaStep.objects.get(saga=saga, name=name)


def order_of(saga: SagaExecution) -> Order:
    return Order.objects.get(pk=saga.order_id)
