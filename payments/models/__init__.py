"""The rows behind every movement of money. Each room holds one subject."""

from payments.models.alerts import Alert, AlertNotice
from payments.models.captures import CaptureStop
from payments.models.charges import ChargeAttempt, GatewayOutcome, Refund
from payments.models.client_events import ClientEvent
from payments.models.disputes import Dispute
from payments.models.endpoints import EventDelivery, WebhookEndpoint, WebhookSecret
from payments.models.gateways import CircuitBreaker, GatewayCall
from payments.models.idempotency import IdempotencyKey
from payments.models.interventions import SagaIntervention
from payments.models.ledger import LedgerPosting
from payments.models.routes import GatewayRoute
from payments.models.sagas import SagaEvent, SagaExecution, SagaStep
from payments.models.webhooks import WebhookEvent

__all__ = [
    "Alert",
    "AlertNotice",
    "CaptureStop",
    "ChargeAttempt",
    "CircuitBreaker",
    "ClientEvent",
    "Dispute",
    "EventDelivery",
    "GatewayCall",
    "GatewayOutcome",
    "GatewayRoute",
    "IdempotencyKey",
    "LedgerPosting",
    "Refund",
    "SagaEvent",
    "SagaExecution",
    "SagaIntervention",
    "SagaStep",
    "WebhookEndpoint",
    "WebhookEvent",
    "WebhookSecret",
]
