"""States of charges, refunds and sagas as badges, and JSON that may be looked at."""

import json
from collections.abc import Mapping
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString

from orders.admin.marks import NOTHING, Tone, badge
from payments.models import ChargeAttempt, Dispute, Refund, SagaExecution, SagaStep, WebhookEvent
from payments.redaction import redact

LONGEST: Final = 20_000
"""Characters of one JSON document that are shown."""

CHARGE_TONES: Final[Mapping[str, Tone]] = {
    ChargeAttempt.Status.PENDING: "busy",
    ChargeAttempt.Status.UNKNOWN: "alarm",
    ChargeAttempt.Status.REQUIRES_ACTION: "busy",
    ChargeAttempt.Status.AUTHORIZED: "busy",
    ChargeAttempt.Status.CAPTURED: "good",
    ChargeAttempt.Status.VOIDED: "quiet",
    ChargeAttempt.Status.DECLINED: "bad",
    ChargeAttempt.Status.FAILED: "bad",
}
REFUND_TONES: Final[Mapping[str, Tone]] = {
    Refund.Status.PENDING: "busy",
    Refund.Status.UNKNOWN: "alarm",
    Refund.Status.SUCCEEDED: "good",
    Refund.Status.FAILED: "bad",
}
DISPUTE_TONES: Final[Mapping[str, Tone]] = {
    Dispute.Status.OPEN: "alarm",
    Dispute.Status.WON: "good",
    Dispute.Status.LOST: "bad",
}
SAGA_TONES: Final[Mapping[str, Tone]] = {
    SagaExecution.State.PENDING: "busy",
    SagaExecution.State.RUNNING: "busy",
    SagaExecution.State.WAITING: "busy",
    SagaExecution.State.COMPENSATING: "busy",
    SagaExecution.State.NEEDS_ATTENTION: "alarm",
    SagaExecution.State.FAILED_COMPENSATION: "alarm",
    SagaExecution.State.COMPLETED: "good",
    SagaExecution.State.COMPENSATED: "bad",
    SagaExecution.State.RESOLVED: "quiet",
}
WEBHOOK_TONES: Final[Mapping[str, Tone]] = {
    WebhookEvent.Status.RECEIVED: "busy",
    WebhookEvent.Status.PROCESSED: "good",
    WebhookEvent.Status.WAITING_FOR_OBJECT: "busy",
    WebhookEvent.Status.FAILED: "alarm",
    WebhookEvent.Status.IGNORED: "quiet",
}
OUTCOME_TONES: Final[Mapping[str, Tone]] = {
    SagaStep.Outcome.OK: "good",
    SagaStep.Outcome.DECLINED: "bad",
    SagaStep.Outcome.UNKNOWN: "alarm",
    SagaStep.Outcome.NOT_NEEDED: "quiet",
}
DECISION_TONES: Final[Mapping[str, Tone]] = {
    "approve": "good",
    "challenge": "busy",
    "review": "busy",
    "block": "bad",
}


def dispute_badge(dispute: Dispute) -> SafeString:
    """One that was answered waits for the bank, and for nobody here."""
    is_answered = dispute.status == Dispute.Status.OPEN and dispute.answered_at is not None
    return badge("answered", "busy") if is_answered else badge(dispute.status, DISPUTE_TONES[dispute.status])


def charge_badge(charge: ChargeAttempt) -> SafeString:
    return badge(charge.status, CHARGE_TONES[charge.status])


def refund_badge(refund: Refund) -> SafeString:
    return badge(refund.status, REFUND_TONES[refund.status])


def saga_badge(saga: SagaExecution) -> SafeString:
    return badge(saga.state, SAGA_TONES[saga.state])


def pretty(value: object) -> SafeString | str:
    """JSON to read. What was stored is redacted already; this is the second lock on the same door."""
    if value in (None, "", {}, []):
        return NOTHING
    text = json.dumps(redact(value), indent=2, ensure_ascii=False, default=str)
    rest = len(text) - LONGEST
    return format_html('<pre class="json">{}</pre>', text if rest <= 0 else f"{text[:LONGEST]}\n… {rest:,} more")


def pretty_body(body: bytes) -> SafeString | str:
    """A stored answer: JSON where it is that, text where it is not."""
    text = body.decode("utf-8", "replace")
    try:
        return pretty(json.loads(text))
    except ValueError:
        return pretty(text)
