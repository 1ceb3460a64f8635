"""What a client is told about its checkout, now or frozen for ever."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer

from orders.models import Order
from payments.api.serializers import CheckoutSerializer
from payments.idempotency import REPLAYED, frozen_response
from payments.models import ChargeAttempt, IdempotencyKey, SagaExecution

JSON = "application/json"


def checkout_body(order: Order, charge: ChargeAttempt | None, saga: SagaExecution) -> bytes:
    """The representation of a checkout that went well, or is still on its way."""
    facts = {"order": order, "charge": charge, "saga": saga, "next_action": _next_action(charge)}
    return JSONRenderer().render(CheckoutSerializer(facts).data)


def _next_action(charge: ChargeAttempt | None) -> dict[str, Any] | None:
    if charge is None or charge.status != ChargeAttempt.Status.REQUIRES_ACTION:
        return None
    return {"type": "redirect", "url": charge.next_action_url}


def present_answer(saga_id: UUID, *, is_replay: bool) -> HttpResponse:
    """The frozen answer if the saga has come to its end, 202 with its newest state until then."""
    saga = SagaExecution.objects.select_related("order", "idempotency_key").get(pk=saga_id)
    key = saga.idempotency_key
    if key is not None and key.is_frozen:
        return _frozen(key, is_replay=is_replay)
    charge = ChargeAttempt.objects.filter(saga=saga).select_related("order").first()
    return pending(saga.order, charge, saga)


def _frozen(key: IdempotencyKey, *, is_replay: bool) -> HttpResponse:
    response = frozen_response(key)
    if not is_replay:
        del response[REPLAYED]
    return response


def pending(order: Order, charge: ChargeAttempt | None, saga: SagaExecution) -> HttpResponse:
    """Not finished: where it stands, and where to look."""
    headers = {"Location": f"/v1/sagas/{saga.public_id}"}
    return HttpResponse(checkout_body(order, charge, saga), JSON, 202, headers=headers)
