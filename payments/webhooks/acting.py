"""What an event does.

It never carries a saga forward by itself: it wakes the saga, which asks the gateway. Where the gateway cannot be
asked, the event's word is kept on the step that waits for it, and the saga asks there. Only where no saga is under way
does the event's own word count, and then through the same door as every other outcome.
"""

import structlog

from orders.ids import parse_id
from orders.models import Order
from payments.disputes import record_dispute
from payments.errors import UnexpectedOutcomeError
from payments.gateways import registry as gateways
from payments.gateways.base import DisputeReport, Operation, Outcome, Result
from payments.models import ChargeAttempt, GatewayOutcome, Refund, SagaExecution, SagaStep, WebhookEvent
from payments.outcomes import is_recorded, record_outcome, record_unexpected
from payments.returns import record_return
from payments.sagas import exchange
from payments.webhooks import reports

log = structlog.get_logger(__name__)

Status = WebhookEvent.Status


def act(event: WebhookEvent) -> WebhookEvent.Status:
    """What became of the event. Locks are taken in the order every money path takes them."""
    gateway = gateways.gateway(event.gateway)
    told = reports.report_of(event, gateway)
    if told is None:
        return Status.IGNORED
    if isinstance(told, DisputeReport):
        return _act_on_dispute(event, told)
    saga, event.charge = _subject_of(event.gateway, told)
    if saga is None:
        return Status.WAITING_FOR_OBJECT
    saga = SagaExecution.objects.select_for_update().get(pk=saga.pk)
    is_kept = not gateway.capabilities.can_be_asked and exchange.keep_word(saga, told)
    if is_kept and saga.state in SagaExecution.ACTIVE:
        saga.wake()
        return Status.PROCESSED
    if event.charge is None:
        return Status.PROCESSED if is_kept else Status.WAITING_FOR_OBJECT
    status = _judge(event, saga, event.charge, told)
    return Status.PROCESSED if is_kept and status == Status.IGNORED else status


def _judge(event: WebhookEvent, saga: SagaExecution, charge: ChargeAttempt, outcome: Outcome) -> WebhookEvent.Status:
    """What becomes of a word that is not kept on a step: it wakes, is recorded, or is a person's to read."""
    if _is_returned(charge, outcome):
        return Status.PROCESSED
    if _is_taken_back(saga, outcome, gateway=event.gateway):
        log.error("webhook_takes_back", event_id=event.event_id, operation=outcome.operation)
        event.error = f"The gateway takes back what it had reported: the {outcome.operation} failed after all."
        return Status.FAILED
    if saga.state in SagaExecution.ACTIVE and not _is_stray(charge, outcome):
        saga.wake()
        return Status.PROCESSED if _will_be_learnt(saga, outcome, gateway=event.gateway) else Status.RECEIVED
    return _record(event, saga, charge, outcome)


def _act_on_dispute(event: WebhookEvent, report: DisputeReport) -> WebhookEvent.Status:
    charge = ChargeAttempt.objects.filter(gateway=event.gateway, gateway_reference=report.reference).first()
    if charge is None:
        return Status.WAITING_FOR_OBJECT
    event.charge = charge
    SagaExecution.objects.select_for_update().get(pk=charge.saga_id)
    charge.order = Order.objects.select_for_update().get(pk=charge.order_id)
    record_dispute(charge, report)
    return Status.PROCESSED


def _is_returned(charge: ChargeAttempt, outcome: Outcome) -> bool:
    """Whether this is a refund that had succeeded, and came back: then it is no longer booked."""
    if outcome.operation != Operation.REFUND or outcome.result != Result.FAILED:
        return False
    charge.order = Order.objects.select_for_update().get(pk=charge.order_id)
    refund = charge.refunds.filter(gateway_reference=outcome.transaction_id).first()
    return refund is not None and (refund.returned_at is not None or record_return(charge, refund))


def _subject_of(gateway: str, outcome: Outcome) -> tuple[SagaExecution | None, ChargeAttempt | None]:
    """The saga that asked for this, by its key, and the charge it is about, by the gateway's reference.

    Either leads to the other: not every gateway tells the key, and a charge may never have learned its reference.
    """
    saga_id = parse_id(SagaExecution.PREFIX, outcome.key.partition(":")[0])
    saga = SagaExecution.objects.filter(pk=saga_id).first() if saga_id else None
    charges = ChargeAttempt.objects.select_related("saga").filter(gateway=gateway)
    charge = charges.filter(gateway_reference=outcome.reference).first()
    if charge is None and saga is not None:
        charge = charges.filter(saga=saga).last()
    return saga or (charge.saga if charge else None), charge


def _is_stray(charge: ChargeAttempt, outcome: Outcome) -> bool:
    """Money moved on an object of the gateway that is not the one this charge stands for."""
    return charge.gateway_reference not in ("", outcome.reference)


def _is_taken_back(saga: SagaExecution, outcome: Outcome, *, gateway: str) -> bool:
    """Money that had moved, by the gateway's own word, has not. The books do not follow by themselves."""
    if outcome.result != Result.FAILED or outcome.operation not in (Operation.CAPTURE, Operation.REFUND):
        return False
    done = saga.steps.filter(key=outcome.key, state=SagaStep.State.DONE)
    return is_recorded(outcome, gateway=gateway) or (outcome.key != "" and done.exists())


def _will_be_learnt(saga: SagaExecution, outcome: Outcome, *, gateway: str) -> bool:
    """Whether the woken saga has this fact, is about to ask for it, or has no use for it.

    What it does not ask about any more (a capture that comes while it is being undone) would be lost with the event.
    """
    if is_recorded(outcome, gateway=gateway):
        return True
    begun = saga.steps.filter(state=SagaStep.State.STARTED)
    is_begun = begun.filter(key=outcome.key).exists() if outcome.key else begun.exists()
    if gateways.gateway(gateway).capabilities.can_be_asked:
        return is_begun or outcome.result != Result.SUCCEEDED
    # Another word of the same request is kept already, and has not been heeded yet: until it is, this one waits.
    return not is_begun and outcome.result != Result.SUCCEEDED


def _record(event: WebhookEvent, saga: SagaExecution, charge: ChargeAttempt, outcome: Outcome) -> WebhookEvent.Status:
    if outcome.result != Result.SUCCEEDED:
        return Status.IGNORED
    if is_recorded(outcome, gateway=event.gateway):
        return Status.PROCESSED
    charge.order = Order.objects.select_for_update().get(pk=charge.order_id)
    refund = Refund.objects.filter(saga=saga).first() if outcome.operation == Operation.REFUND else None
    if refund and refund.status == Refund.Status.FAILED and refund.gateway_reference == outcome.transaction_id:
        return Status.PROCESSED  # older news: a refund that has failed never succeeds any more
    try:
        record_outcome(charge, outcome, source=GatewayOutcome.Source.WEBHOOK, refund=refund)
    except UnexpectedOutcomeError as error:
        record_unexpected(charge, outcome, source=GatewayOutcome.Source.WEBHOOK)
        log.error("webhook_tells_the_unexpected", event_id=event.event_id, detail=error.detail)
        event.error = error.detail[:200]
        return Status.FAILED
    return Status.PROCESSED
