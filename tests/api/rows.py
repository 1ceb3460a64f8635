"""Rows for every list at once, written straight into the tables: as many as a test of lists wants."""

from datetime import datetime, timedelta
from itertools import count
from typing import Final

from django.contrib.auth.models import User
from django.utils import timezone

from config.demo_data.records import id_at
from fraud.models import Decision
from orders.models import Order, OrderLine
from payments.models import (
    ChargeAttempt,
    ClientEvent,
    Dispute,
    Refund,
    SagaExecution,
    SagaIntervention,
    WebhookEndpoint,
    WebhookEvent,
)
from tests.orders.builders import make_stock

RARE: Final = 1_000
"""Every so manyth row is unlike the others."""

_number = count()


def make_rows(client: User, number: int, *, newest: datetime | None = None) -> None:
    """So many orders, an hour apart, the newest last, each with one row of everything that is listed."""
    newest = newest or timezone.now()
    moments = [newest - timedelta(hours=hours) for hours in reversed(range(number))]
    orders = Order.objects.bulk_create(_order(client, moment, at % RARE == 0) for at, moment in enumerate(moments))
    item = make_stock()
    OrderLine.objects.bulk_create(
        OrderLine(order=order, position=0, item=item, quantity=1, unit_amount_minor=1_000) for order in orders
    )
    sagas = SagaExecution.objects.bulk_create(map(_saga, orders))
    charges = ChargeAttempt.objects.bulk_create(map(_charge, sagas))
    Refund.objects.bulk_create(map(_refund, charges))
    Dispute.objects.bulk_create(map(_dispute, charges))
    Decision.objects.bulk_create(map(_decision, sagas))
    SagaIntervention.objects.bulk_create(map(_intervention, sagas))
    WebhookEvent.objects.bulk_create(map(_webhook, charges))
    ClientEvent.objects.bulk_create(map(_event, orders))
    WebhookEndpoint.objects.bulk_create(map(_endpoint, orders))


def is_rare(order: Order) -> bool:
    return order.status == Order.Status.CANCELLED


def _order(client: User, moment: datetime, is_rare: bool) -> Order:
    number = next(_number)
    return Order(
        pk=id_at(moment), client=client, reference=f"row-{number}", currency="USD", amount_minor=1_000,
        status=Order.Status.CANCELLED if is_rare else Order.Status.COMPLETED, customer_id=f"c-{number}",
        customer_email="jo@example.com", created_at=moment,
    )  # fmt: skip


def _saga(order: Order) -> SagaExecution:
    state = SagaExecution.State.NEEDS_ATTENTION if is_rare(order) else SagaExecution.State.COMPLETED
    return SagaExecution(
        pk=id_at(order.created_at), order=order, definition="remedy" if is_rare(order) else "checkout", version=1,
        business_key=str(order.pk), state=state, created_at=order.created_at,
    )  # fmt: skip


def _charge(saga: SagaExecution) -> ChargeAttempt:
    order = saga.order
    is_other = is_rare(order)
    return ChargeAttempt(
        pk=id_at(order.created_at), order=order, saga=saga, gateway="stripe" if is_other else "sandbox",
        currency="USD", amount_minor=1_000, created_at=order.created_at,
        status=ChargeAttempt.Status.VOIDED if is_other else ChargeAttempt.Status.DECLINED,
    )  # fmt: skip


def _refund(charge: ChargeAttempt) -> Refund:
    status = Refund.Status.FAILED if is_rare(charge.order) else Refund.Status.SUCCEEDED
    return Refund(
        pk=id_at(charge.created_at), charge=charge, saga=charge.saga, amount_minor=1, currency="USD", status=status,
        created_at=charge.created_at,
    )  # fmt: skip


def _dispute(charge: ChargeAttempt) -> Dispute:
    status = Dispute.Status.OPEN if is_rare(charge.order) else Dispute.Status.WON
    return Dispute(
        pk=id_at(charge.created_at), charge=charge, gateway=charge.gateway, gateway_reference=charge.public_id,
        status=status, amount_minor=1, currency="USD", created_at=charge.created_at,
    )  # fmt: skip


def _decision(saga: SagaExecution) -> Decision:
    return Decision(
        pk=id_at(saga.created_at), order=saga.order, attempt=saga.public_id, ruleset_version=1,
        stage="after_authorization" if saga.pk.int % 2 else "before_authorization",
        decision="block" if is_rare(saga.order) else "approve", created_at=saga.created_at,
    )  # fmt: skip


def _intervention(saga: SagaExecution) -> SagaIntervention:
    state = SagaIntervention.State.STALE if is_rare(saga.order) else SagaIntervention.State.APPLIED
    return SagaIntervention(
        pk=id_at(saga.created_at), saga=saga, action=SagaIntervention.Action.LOOK_UP, reason="a", epoch=0, state=state,
        requested_by=saga.order.client, created_at=saga.created_at,
    )  # fmt: skip


def _webhook(charge: ChargeAttempt) -> WebhookEvent:
    is_other = is_rare(charge.order)
    return WebhookEvent(
        pk=id_at(charge.created_at), gateway=charge.gateway, event_id=charge.public_id,
        kind="charge.voided" if is_other else "charge.captured", body="{}", charge=charge,
        status=WebhookEvent.Status.FAILED if is_other else WebhookEvent.Status.PROCESSED, received_at=charge.created_at,
    )  # fmt: skip


def _event(order: Order) -> ClientEvent:
    return ClientEvent(
        pk=id_at(order.created_at), client_id=order.client_id, kind=f"order.{order.status}", subject=order.public_id,
        sequence=1, created_at=order.created_at, fanned_out_at=order.created_at,
    )  # fmt: skip


def _endpoint(order: Order) -> WebhookEndpoint:
    return WebhookEndpoint(
        pk=id_at(order.created_at), client_id=order.client_id, url="https://hooks.example.com/",
        created_at=order.created_at,
    )  # fmt: skip
