"""The gateway `adyen`: cards that are stored there, captured by hand, without 3DS.

Our idempotency key goes along twice: as the header that Adyen honours, and as the reference that its events carry.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from django.conf import settings

from payments.errors import CannotBeAskedError, InvalidRequestError
from payments.gateways.adyen import outcomes
from payments.gateways.adyen.amounts import to_adyen
from payments.gateways.adyen.errors import translated
from payments.gateways.base import Capabilities, DisputeReport, Found, Operation, Outcome, Request
from payments.gateways.http import JsonClient, makes_sense
from payments.redaction import redact
from payments.webhooks import item_signatures

ORDER: Final = "paydesk_order"
_METHOD: Final = re.compile(r"(?P<shopper>[^\s\x00-\x1f]{3,256})/(?P<stored>[A-Za-z0-9]{1,64})")
"""`<shopperReference>/<storedPaymentMethodId>`: Adyen takes a stored card for the shopper alone who stored it."""


class AdyenGateway:
    name = "adyen"

    def __init__(self) -> None:
        # Adyen keeps keys for a week at least. What it has done appears in its events alone, and those may take days.
        self.capabilities = Capabilities(
            timeout=timedelta(seconds=settings.GATEWAY_TIMEOUT_SECONDS),
            settle_delay=timedelta(0),
            key_retention=timedelta(days=7),
            can_be_asked=False,
            partial_capture=True,
        )
        self._http = JsonClient(
            settings.ADYEN_API_BASE,
            timeout=settings.GATEWAY_TIMEOUT_SECONDS,
            headers={"X-API-Key": settings.ADYEN_API_KEY or ""},
        )

    def require_known(self, payment_method: str) -> None:
        _parts(payment_method)

    def authorize(self, request: Request) -> Outcome:
        """Adyen is told never to authenticate the shopper; where that is the law it declines instead."""
        if request.three_d_secure:
            raise InvalidRequestError("This gateway is asked without 3DS.")
        shopper, stored = _parts(request.payment_method)
        answer = self._post(
            Operation.AUTHORIZE,
            "/payments",
            request,
            amount=to_adyen(request.amount_minor, request.currency),
            merchantOrderReference=request.order,
            metadata={ORDER: request.order},
            paymentMethod={"type": "scheme", "storedPaymentMethodId": stored},
            shopperReference=shopper,
            shopperInteraction="ContAuth",
            recurringProcessingModel="CardOnFile",
            returnUrl=request.return_url or settings.PUBLIC_URL,
            additionalData={"manualCapture": "true"},
            authenticationData={"attemptAuthentication": "never"},
        )
        with makes_sense():
            return outcomes.authorization(answer, request)

    def capture(self, request: Request) -> Outcome:
        amount = to_adyen(request.amount_minor, request.currency)
        return self._modify(Operation.CAPTURE, "captures", request, amount=amount)

    def void(self, request: Request) -> Outcome:
        return self._modify(Operation.VOID, "cancels", request)

    def refund(self, request: Request) -> Outcome:
        amount = to_adyen(request.amount_minor, request.currency)
        return self._modify(Operation.REFUND, "refunds", request, amount=amount)

    def _modify(self, operation: Operation, kind: str, request: Request, **body: Any) -> Outcome:
        answer = self._post(operation, f"/payments/{quote(request.reference, safe='')}/{kind}", request, **body)
        with makes_sense():
            return outcomes.modification(operation, answer, request)

    def _post(self, operation: Operation, path: str, request: Request, **body: Any) -> dict[str, Any]:
        ours = {"merchantAccount": settings.ADYEN_MERCHANT_ACCOUNT, "reference": request.key}
        reply = self._http.exchange(operation, "POST", path, body={**ours, **body}, key=request.key)
        if reply.status >= 400:
            raise translated(reply)
        answer: dict[str, Any] = reply.answer
        return answer

    def look_up(self, operation: Operation, request: Request) -> Outcome | None:
        raise CannotBeAskedError

    def find(self, name: str) -> Found | None:
        raise CannotBeAskedError

    def is_dead(self, reference: str) -> bool:
        raise CannotBeAskedError

    def list_transactions(self, day: date) -> Sequence[Outcome]:
        raise CannotBeAskedError("This gateway lists its transactions in its reports alone.")

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
        """No time is signed, so none is held against `now`: a repeat is known by its event's id."""
        item_signatures.verify(
            body, secrets=settings.ADYEN_WEBHOOK_SECRETS, merchant_account=settings.ADYEN_MERCHANT_ACCOUNT or ""
        )

    def identify_webhook(self, body: bytes) -> tuple[str, str]:
        item = item_signatures.parse_item(body)
        return item.event_id, item.event_code

    def parse_webhook(self, body: bytes) -> Outcome | DisputeReport | None:
        return outcomes.event(item_signatures.parse_item(body))


def _parts(payment_method: str) -> tuple[str, str]:
    """The shopper and the stored card; raise InvalidRequestError for what names none."""
    match = _METHOD.fullmatch(payment_method)
    if match is None or redact(payment_method) != payment_method:
        raise InvalidRequestError("This payment method is unknown to the gateway.", field="payment_method")
    return match["shopper"], match["stored"]
