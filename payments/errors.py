"""What can go wrong with money. An error's class says what the caller may do next; nobody reads its text."""

from typing import ClassVar

from orders.errors import DomainError


class PaymentError(DomainError):
    """The payment could not be made."""

    code = "payment_error"


class CardDeclinedError(PaymentError):
    """The card was declined."""

    code: ClassVar[str] = "card_declined"


class InsufficientFundsError(CardDeclinedError):
    """The card has insufficient funds."""

    code = "insufficient_funds"


class ExpiredCardError(CardDeclinedError):
    """The card has expired."""

    code = "expired_card"


class AuthenticationRequiredError(CardDeclinedError):
    """The customer was not authenticated by the card's issuer."""

    code = "authentication_failed"


class FraudBlockedError(PaymentError):
    """The payment was refused by the fraud rules or in review."""

    code = "fraud_blocked"


class InvalidRequestError(PaymentError):
    """The gateway cannot carry out this request as it stands; nothing happened."""

    code = "invalid_request"


class CannotBeAskedError(InvalidRequestError):
    """This gateway cannot be asked: what became of a request it tells by webhook, and nothing of it has come yet."""

    code = "gateway_cannot_be_asked"


class OperationRefusedError(PaymentError):
    """The gateway refuses this operation for good; nothing happened."""

    code = "operation_refused"


class ShipmentRefusedError(OperationRefusedError):
    """The carrier does not deliver to this address."""

    code = "shipment_refused"


class AuthorizationExpiredError(OperationRefusedError):
    """The authorization expired, or was about to, before it was captured."""

    code = "authorization_expired"


class RefundRefusedError(OperationRefusedError):
    """The gateway refuses to give this charge back."""

    code = "refund_refused"


class RefundExceedsCapturedError(PaymentError):
    """There is not that much left to refund."""

    code = "refund_exceeds_captured"


class ChargeDisputedError(PaymentError):
    """The charge is disputed: its money may be on the way back already."""

    code = "charge_disputed"


class DisputeAnsweredError(PaymentError):
    """The dispute was answered already, or is over."""

    code = "dispute_answered"


class EndpointDeletedError(PaymentError):
    """The webhook endpoint is deleted."""

    code = "endpoint_deleted"


class TooManyEndpointsError(PaymentError):
    """The client has as many webhook endpoints as it may have."""

    code = "too_many_endpoints"


class CheckoutOpenError(PaymentError):
    """The order's checkout is not over; it may still refund by itself."""

    code = "checkout_open"


class NeverSentError(PaymentError):
    """The request did not reach the gateway: the same key may be sent again.

    `retry_after` is in seconds, as the gateway asked for it.
    """

    code: ClassVar[str] = "gateway_unavailable"
    retriable = True

    def __init__(self, detail: str = "", *, retry_after: float | None = None, **facts: object) -> None:
        super().__init__(detail, **facts)
        self.retry_after = retry_after


class NetworkError(NeverSentError):
    """The gateway could not be reached."""


class CircuitOpenError(NeverSentError):
    """The gateway is left alone for a while: of late it did not answer, or somebody has decided so."""


class RateLimitedError(NeverSentError):
    """The gateway asks for fewer requests."""

    code = "rate_limited"


class GatewayTimeoutError(PaymentError):
    """The outcome is unknown: the gateway has to be asked before anything else is done.

    `is_answered` is true when the gateway did answer, but with a 5xx, which says nothing: gateways replay such an
    answer to the same key.
    """

    code = "gateway_timeout"
    retriable = True

    def __init__(self, detail: str = "", *, is_answered: bool = False, **facts: object) -> None:
        super().__init__(detail, **facts)
        self.is_answered = is_answered


class GatewayUnavailableError(PaymentError):
    """The gateway could not carry out the payment; nothing was charged."""

    code = "gateway_unavailable"
    retriable = True


class UnexpectedOutcomeError(PaymentError):
    """The gateway did something other than it was asked for; a person has to look at it."""

    code = "unexpected_outcome"


class CheckoutCancelledError(PaymentError):
    """The client cancelled the order during its checkout."""

    code = "order_cancelled"


class CardTestingSuspectedError(PaymentError):
    """Too many payments were declined of late.

    `retry_after` is in seconds.
    """

    code = "card_testing_suspected"
    retriable = True

    def __init__(self, *, retry_after: float) -> None:
        super().__init__()
        self.retry_after = retry_after


class UnknownGatewayError(PaymentError):
    """No such gateway is configured here."""

    code = "unknown_gateway"


class IdempotencyKeyMissingError(PaymentError):
    """This request needs an Idempotency-Key header."""

    code = "idempotency_key_missing"


class IdempotencyKeyInvalidError(PaymentError):
    """An Idempotency-Key is 1 to 255 printable ASCII characters."""

    code = "idempotency_key_invalid"


class IdempotencyConflictError(PaymentError):
    """This Idempotency-Key was used for a different request."""

    code = "idempotency_key_reused"


class IdempotencyInFlightError(PaymentError):
    """A request with this Idempotency-Key is being carried out right now."""

    code = "idempotency_in_flight"
    retriable = True


class SagaCompensationError(PaymentError):
    """What was done could not be undone; a person has to."""

    code = "compensation_failed"


class StoppedByOperatorError(PaymentError):
    """An operator has ended this."""

    code = "stopped_by_operator"


class StaleSagaError(PaymentError):
    """The saga has moved on since it was looked at."""

    code = "saga_moved_on"


class InterventionNotPossibleError(PaymentError):
    """This cannot be done to the saga as it stands."""

    code = "intervention_not_possible"


class LeaseLostError(PaymentError):
    """Another worker owns this saga now."""

    code = "lease_lost"


class InvalidContextError(PaymentError):
    """What the saga knows is not what its definition says it knows."""

    code = "invalid_context"


class WebhookSignatureError(PaymentError):
    """The webhook's signature does not match its body."""

    code = "webhook_signature_invalid"


class WebhookReplayError(PaymentError):
    """The webhook's timestamp is too old, or lies in the future."""

    code = "webhook_replayed"
