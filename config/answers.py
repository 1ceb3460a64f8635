"""Freeze what a client is told when its saga ends, in the commit that ends it."""

from django.http import HttpResponse

from config.problems import kind_of_code, problem
from orders.models import Order
from payments.api.answers import JSON, checkout_body, refund_body
from payments.idempotency import freeze
from payments.models import Refund, SagaExecution
from payments.sagas.refund import REFUND
from payments.sagas.run import Run

ALLOWED_HEADERS = ("Content-Type", "Location", "Retry-After")


def freeze_answer(run: Run) -> None:
    """Nothing to do for a saga that no client waits for."""
    key_id = run.saga.idempotency_key_id
    if key_id is None:
        return
    run.answer = _answer(run)
    headers = {name: run.answer[name] for name in ALLOWED_HEADERS if name in run.answer}
    freeze(key_id, run.answer.status_code, run.answer.content, headers=headers)


def _answer(run: Run) -> HttpResponse:
    saga = run.saga
    if not _is_done(run):
        return _failure(run)
    if saga.definition == REFUND.name:
        refund = Refund.objects.select_related("charge").get(saga=saga)
        headers = {"Location": f"/v1/refunds/{refund.public_id}"}
        return HttpResponse(refund_body(refund), JSON, 201, headers=headers)
    headers = {"Location": f"/v1/orders/{run.order.public_id}"}
    return HttpResponse(checkout_body(run.order, run.charge, saga), JSON, 201, headers=headers)


def _is_done(run: Run) -> bool:
    """Whether the client got what it asked for; where people have resolved it, that is seen by what it was about."""
    saga = run.saga
    if saga.state != SagaExecution.State.RESOLVED:
        return saga.state == SagaExecution.State.COMPLETED
    if saga.definition == REFUND.name:
        return Refund.objects.filter(saga=saga, status=Refund.Status.SUCCEEDED).exists()
    return run.order.status == Order.Status.COMPLETED


def _failure(run: Run) -> HttpResponse:
    saga = run.saga
    facts = {"order": run.order.public_id, "saga": saga.public_id}
    if run.charge is not None:
        facts["charge"] = run.charge.public_id
    return problem(kind_of_code(saga.failure["code"]), saga.failure["detail"], extensions=facts)
