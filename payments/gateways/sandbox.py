"""The sandbox gateway and its carrier, as seen from here: HTTP to another process (see `payments.sandbox`)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.conf import settings

from payments.errors import (
    AuthorizationExpiredError,
    GatewayTimeoutError,
    InvalidRequestError,
    OperationRefusedError,
    PaymentError,
    ShipmentRefusedError,
)
from payments.gateways.base import Capabilities, Card, DisputeReport, Found, Operation, Outcome, Request, Result
from payments.gateways.declines import decline
from payments.gateways.http import JsonClient, makes_sense
from payments.sandbox.cards import card_of
from payments.webhooks import signatures

_RESULTS = {
    "succeeded": Result.SUCCEEDED,
    "requires_action": Result.REQUIRES_ACTION,
    "pending": Result.PENDING,
    "declined": Result.DECLINED,
    "failed": Result.FAILED,
}
_AUTHORIZATION_RESULTS = {
    "authorized": Result.SUCCEEDED,
    "captured": Result.SUCCEEDED,
    "voided": Result.SUCCEEDED,
    "requires_action": Result.REQUIRES_ACTION,
    "declined": Result.DECLINED,
    "failed": Result.FAILED,
    "expired": Result.FAILED,
}
_DISPUTES = {"dispute.opened": "open", "dispute.won": "won", "dispute.lost": "lost"}
_LISTED = {"charge": Operation.CAPTURE, "refund": Operation.REFUND}
_DEAD = {"voided", "declined", "failed", "expired"}


def _capabilities() -> Capabilities:
    return Capabilities(
        timeout=timedelta(seconds=settings.GATEWAY_TIMEOUT_SECONDS),
        settle_delay=timedelta(seconds=settings.SETTLE_DELAY_SECONDS),
        absence_is_proof=True,
        partial_capture=True,
    )


class _SandboxPeer:
    def __init__(self) -> None:
        self.capabilities = _capabilities()
        self._http = JsonClient(settings.SANDBOX_GATEWAY_URL, timeout=settings.GATEWAY_TIMEOUT_SECONDS)

    def _post(self, operation: Operation, path: str, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        status, answer = self._http.send(operation, "POST", path, body=body, key=request.key)
        if status >= 400:
            raise _refusal(status, answer)
        return answer

    def _operation(self, operation: Operation, key: str) -> dict[str, Any] | None:
        """What the sandbox did under our key."""
        path = f"/v1/operations?idempotency_key={quote(key, safe='')}"
        status, answer = self._http.send("look_up", "GET", path)
        if status != 200:
            raise GatewayTimeoutError(f"The look-up was answered with {status}.", is_answered=True)
        with makes_sense():
            found = [row for row in answer["operations"] if row["operation"] == operation]
            return found[-1] if found else None

    def _document(self, kind: str, name: str) -> dict[str, Any] | None:
        """The charge or shipment of this name, or the one an operation of this name belongs to."""
        safe = quote(name, safe="")
        own = self._read(f"/v1/{kind}s/{safe}")
        found = own if own is not None else self._read(f"/v1/operations/{safe}")
        with makes_sense():
            return (found or {}).get(kind) or ((found or {}).get("operation") or {}).get(kind)

    def _read(self, path: str) -> dict[str, Any] | None:
        """None when there is nothing there."""
        status, answer = self._http.send("look_up", "GET", path)
        if status not in (200, 404):
            raise GatewayTimeoutError(f"The look-up was answered with {status}.", is_answered=True)
        return answer if status == 200 else None


class SandboxGateway(_SandboxPeer):
    name = "sandbox"

    def require_known(self, payment_method: str) -> None:
        """Raise InvalidRequestError for a token that can never be charged."""
        if card_of(payment_method) is None:
            raise InvalidRequestError("This payment method is unknown to the gateway.", field="payment_method")

    def authorize(self, request: Request) -> Outcome:
        body = {
            "order": request.order,
            "amount": request.amount_minor,
            "currency": request.currency,
            "payment_method": request.payment_method,
            "three_d_secure": request.three_d_secure,
        }
        if request.return_url:
            body["return_url"] = request.return_url
        return _charge_outcome(self._post(Operation.AUTHORIZE, "/v1/charges", request, body))

    def capture(self, request: Request) -> Outcome:
        return self._move(Operation.CAPTURE, "capture", request, {"amount": request.amount_minor})

    def void(self, request: Request) -> Outcome:
        return self._move(Operation.VOID, "void", request, {})

    def refund(self, request: Request) -> Outcome:
        return self._move(Operation.REFUND, "refunds", request, {"amount": request.amount_minor})

    def _move(self, operation: Operation, path: str, request: Request, body: dict[str, Any]) -> Outcome:
        return _charge_outcome(self._post(operation, f"/v1/charges/{request.reference}/{path}", request, body))

    def look_up(self, operation: Operation, request: Request) -> Outcome | None:
        found = self._operation(operation, request.key)
        return _charge_outcome({"operation": found, "charge": found["charge"]}) if found else None

    def find(self, name: str) -> Found | None:
        charge = self._document("charge", name)
        return _found("charge", charge, _charge_outcome) if charge else None

    def is_dead(self, reference: str) -> bool:
        """Whether a charge can neither be confirmed nor captured any more."""
        status, answer = self._http.send("look_up", "GET", f"/v1/charges/{reference}")
        with makes_sense():
            return status == 200 and answer["charge"]["status"] in _DEAD

    def list_transactions(self, day: date) -> Sequence[Outcome]:
        status, answer = self._http.send("list_transactions", "GET", f"/v1/transactions?date={day.isoformat()}")
        if status != 200:
            raise InvalidRequestError(f"The sandbox answered {status}.")
        with makes_sense():
            return [_listed(row) for row in answer["transactions"] if row["type"] in _LISTED]

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
        signatures.verify(headers.get("Sandbox-Signature", ""), body, secrets=settings.SANDBOX_WEBHOOK_SECRETS, now=now)

    def identify_webhook(self, body: bytes) -> tuple[str, str]:
        event = signatures.parse_event(body)
        return event["id"], event["type"]

    def parse_webhook(self, body: bytes) -> Outcome | DisputeReport | None:
        event = signatures.parse_event(body)
        data = event.get("data") or {}
        if event["type"] in _DISPUTES:
            return _dispute(_DISPUTES[event["type"]], data)
        return _charge_outcome(data) if data.get("charge") and data.get("operation") else None


class SandboxCarrier(_SandboxPeer):
    name = "sandbox"

    def ship(self, request: Request) -> Outcome:
        body = {"order": request.order, "address": dict(request.address)}
        return _shipment_outcome(self._post(Operation.SHIP, "/v1/shipments", request, body))

    def cancel_shipment(self, request: Request) -> Outcome:
        path = f"/v1/shipments/{request.reference}/cancel"
        return _shipment_outcome(self._post(Operation.CANCEL_SHIPMENT, path, request, {}))

    def look_up(self, operation: Operation, request: Request) -> Outcome | None:
        found = self._operation(operation, request.key)
        return _shipment_outcome({"operation": found, "shipment": found["shipment"]}) if found else None

    def find(self, name: str) -> Found | None:
        shipment = self._document("shipment", name)
        return _found("shipment", shipment, _shipment_outcome) if shipment else None


def _refusal(status: int, answer: dict[str, Any]) -> PaymentError:
    """A definite no, as the sandbox words it."""
    error = answer.get("error") or {}
    code, message = str(error.get("code", "")), str(error.get("message", ""))
    if code == "shipment_refused":
        return ShipmentRefusedError(message)
    if status == 402 and "decline_code" in error:
        reference = str((answer.get("charge") or {}).get("id", ""))
        return decline(str(error["decline_code"]), message, reference=reference)
    if code == "charge_expired":
        return AuthorizationExpiredError(message)
    if status in (402, 409):
        return OperationRefusedError(message, gateway_code=code)
    return InvalidRequestError(message, gateway_code=code)


@makes_sense()
def _found(kind: str, document: dict[str, Any], outcome_of: Callable[[dict[str, Any]], Outcome]) -> Found:
    asked = [row for row in document["operations"] if row["operation"] in set(Operation)]
    outcomes = tuple(outcome_of({"operation": row, kind: document}) for row in asked)
    return Found(reference=document["id"], order=document["order"], outcomes=outcomes)


@makes_sense()
def _charge_outcome(answer: dict[str, Any]) -> Outcome:
    operation, charge = answer["operation"], answer["charge"]
    is_authorization = operation["operation"] == Operation.AUTHORIZE
    results = _AUTHORIZATION_RESULTS if is_authorization else _RESULTS
    status = charge["status"] if is_authorization else operation["status"]
    card = charge.get("card") or {}
    action = charge.get("next_action") or {}
    return Outcome(
        operation=Operation(operation["operation"]),
        result=results[status],
        transaction_id=operation["id"],
        reference=charge["id"],
        amount_minor=operation.get("amount") or 0,
        currency=operation.get("currency") or "",
        occurred_at=_moment(operation.get("at")),
        card=Card(*(str(card.get(fact) or "") for fact in ("brand", "last4", "country", "fingerprint"))),
        avs_result=charge.get("avs_result") or "",
        cvv_result=charge.get("cvv_result") or "",
        decline_code=charge.get("decline_code") or "",
        next_action_url=action.get("url") or "",
        authorization_expires_at=_moment(charge.get("authorization_expires_at")),
        key=operation.get("idempotency_key") or "",
    )


@makes_sense()
def _dispute(status: str, data: dict[str, Any]) -> DisputeReport:
    dispute = data["charge"].get("dispute") or {}
    return DisputeReport(
        dispute=data["operation"]["id"],
        reference=data["charge"]["id"],
        status=status,
        amount_minor=data["operation"]["amount"],
        currency=data["operation"]["currency"],
        reason=dispute.get("reason") or "",
        evidence_due_at=_moment(dispute.get("evidence_due_at")),
        opened_at=_moment(data["operation"].get("at")),
    )


@makes_sense()
def _shipment_outcome(answer: dict[str, Any]) -> Outcome:
    operation, shipment = answer["operation"], answer.get("shipment") or {}
    return Outcome(
        operation=Operation(operation["operation"]),
        result=_RESULTS[operation["status"]],
        transaction_id=operation["id"],
        reference=shipment.get("id") or "",
        occurred_at=_moment(operation.get("at")),
        tracking_number=shipment.get("tracking_number") or "",
        key=operation.get("idempotency_key") or "",
    )


def _listed(row: dict[str, Any]) -> Outcome:
    return Outcome(
        operation=_LISTED[row["type"]],
        result=Result.SUCCEEDED,
        transaction_id=row["transaction_id"],
        reference=row["charge"],
        amount_minor=abs(row["gross"]),
        currency=row["currency"],
        occurred_at=_moment(row["created_at"]),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
