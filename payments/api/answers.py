"""What a client is told about its checkout, now or frozen for ever."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer

from orders.models import Order
from payments.api.serializers import CheckoutSerializer, RefundSerializer
from payments.idempotency import REPLAYED, frozen_response
from payments.models import ChargeAttempt, IdempotencyKey, Refund, SagaExecution
from payments.sagas.refund import REFUND

JSON = "application/json"


def checkout_body(order: Order, charge: ChargeAttempt | None, saga: SagaExecution) -> bytes:
    """The representation of a checkout that went well, or is still on its way."""
    facts = {"order": order, "charge": charge, "saga": saga, "next_action": _next_action(charge)}
    return JSONRenderer().render(CheckoutSerializer(facts).data)


def _next_action(charge: ChargeAttempt | None) -> dict[str, Any] | None:
    if charge is None or charge.status != ChargeAttempt.Status.REQUIRES_ACTION:
        return None
    return {"type": "redirect", "url": charge.next_action_url}


def refund_body(refund: Refund) -> bytes:
    """The representation of a refund, whatever became of it."""
    return JSONRenderer().render(RefundSerializer(refund).data)


def present_answer(saga_id: UUID, *, is_replay: bool) -> HttpResponse:
    """The frozen answer if the saga has come to its end, 202 with its newest state until then."""
    saga = SagaExecution.objects.select_related("order", "idempotency_key").get(pk=saga_id)
    key = saga.idempotency_key
    if key is not None and key.is_frozen:
        return _frozen(key, is_replay=is_replay)
    headers = {"Location": f"/v1/sagas/{saga.public_id}"}
    return HttpResponse(_newest(saga), JSON, 202, headers=headers)


def _newest(saga: SagaExecution) -> bytes:
    if saga.definition == REFUND.name:
        return refund_body(Refund.objects.select_related("charge").get(saga=saga))
    charge = ChargeAttempt.objects.filter(saga=saga).select_related("order").last()
    return checkout_body(saga.order, charge, saga)


def _frozen(key: IdempotencyKey, *, is_replay: bool) -> HttpResponse:
    response = frozen_response(key)
    if not is_replay:
        del response[REPLAYED]
    return response
