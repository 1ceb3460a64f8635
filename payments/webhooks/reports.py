"""What an event reports, read once: from the very bytes that were signed.

The archive cannot be read for it: card numbers are masked there, and a gateway's name of a movement may look like one.
"""

import json
from typing import Any

import structlog

from payments.gateways.base import DisputeReport, Outcome, PaymentGateway
from payments.models import WebhookEvent

log = structlog.get_logger(__name__)

Report = Outcome | DisputeReport | None


def read(gateway: PaymentGateway, body: bytes) -> dict[str, Any] | None:
    """As the event's row keeps it; None for what cannot be read. That is found out again when it is acted on."""
    try:
        report = gateway.parse_webhook(body)
        if report is None:
            return {}
        kind = "dispute" if isinstance(report, DisputeReport) else "outcome"
        return {kind: _storable(report.as_json())}
    except Exception:
        log.warning("webhook_not_understood", gateway=gateway.name, exc_info=True)
        return None


def _storable(facts: dict[str, Any]) -> dict[str, Any]:
    """Raise ValueError for what not every database can keep as JSON: zero bytes, and halves of characters."""
    text = json.dumps(facts, ensure_ascii=False)
    text.encode()
    if "\\u0000" in text:
        raise ValueError("a zero byte")
    return facts


def report_of(event: WebhookEvent, gateway: PaymentGateway) -> Report:
    """What was read; or, where nothing could be, whatever reading the archive raises."""
    if event.report is None:
        return gateway.parse_webhook(event.body.encode())
    if "dispute" in event.report:
        return DisputeReport.from_json(event.report["dispute"])
    return Outcome.from_json(event.report["outcome"]) if event.report else None
