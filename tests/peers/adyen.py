"""A stand-in for Adyen's Checkout API, as a process of its own: there is no program of others' that imitates it.

It answers as the OpenAPI document of Checkout v71 and the pages it leads to say, keeps its payments in memory, honours
idempotency keys, and sends events signed by Adyen's own library. It shares no code with Paydesk. What a payment does is
said by the name of its stored card.

Source: https://github.com/Adyen/adyen-openapi (json/CheckoutService-v71.json, json/Webhooks-v1.json)
"""

import json
import queue
import sys
import threading
import urllib.request
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from Adyen.util import generate_notification_sig

KEY, ACCOUNT = "AQE-stand-in", "PaydeskECOM"
HMAC_KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
GOOD = "M5N7TQ4TG5PFWR50"
REFUSED = {"NOFUNDS000000012": "12", "EXPIRED000000006": "6", "BLOCKED000000005": "5"}
REDIRECTED, RECEIVED, PARTLY = "REDIRECTED000000", "RECEIVED00000000", "PARTLY0000000000"
CAPTURE_FAILS, REFUND_FAILS, NOTHING_WORKS = "CAPTUREFAILS0000", "REFUNDFAILS00000", "NOTHINGWORKS0000"
"""Of the last neither a capture nor letting it go."""

Answer = tuple[int, dict[str, Any]]


@dataclass
class Payment:
    """Amounts in Adyen's minor units."""

    reference: str
    order: str
    card: str
    currency: str
    authorized: int
    merchant_reference: str
    captured: int = 0
    refunded: int = 0
    is_cancelled: bool = False
    requests: list[str] = field(default_factory=list)


class Adyen:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.payments: dict[str, Payment] = {}
        self.answered: dict[tuple[str, str], Answer | None] = {}
        self.calls: list[dict[str, Any]] = []
        self.webhook_url = ""
        self.events: queue.Queue[bytes] = queue.Queue()
        self.tells_first = False

    def handle(self, path: str, headers: Any, body: dict[str, Any]) -> Answer:
        """Once for each idempotency key: what has been answered is answered again, what is in progress is a 422."""
        if headers.get("X-API-Key") != KEY:
            return _error(401, "000", "HTTP Status Response - Unauthorized", "security")
        if body.get("merchantAccount") != ACCOUNT:
            return _error(403, "901", "Invalid Merchant Account", "security")
        key = headers.get("Idempotency-Key", "")
        if len(key) > 64 or len(body.get("reference", "")) > 80:
            return _error(422, "130", "Required field 'reference' is not valid.", "validation")
        with self.lock:
            if key and (path, key) in self.answered:
                known = self.answered[path, key]
                return known or _error(422, "704", "request already processed or in progress", "validation")
            self.answered[path, key] = None
            self.calls.append({"path": path, "key": key, "body": body})
            answer = self._carry_out(path.strip("/").split("/"), body)
            self.answered[path, key] = answer
            return answer

    def _carry_out(self, parts: list[str], body: dict[str, Any]) -> Answer:
        match parts:
            case ["payments"]:
                return self._pay(body)
            case ["payments", reference, kind] if kind in _KINDS:
                payment = self.payments.get(reference)
                if payment is None:
                    return _error(422, "167", "Original pspReference required for this operation", "validation")
                return self._modify(payment, kind, body)
        return _error(404, "000", "HTTP Status Response - Not Found", "validation")

    def _pay(self, body: dict[str, Any]) -> Answer:
        wanted = {"amount", "paymentMethod", "reference", "returnUrl", "shopperReference"}
        if lacking := wanted - {name for name, value in body.items() if value}:
            return _error(422, "130", f"Required field {sorted(lacking)[0]!r} is not provided.", "validation")
        card, amount, psp = body["paymentMethod"]["storedPaymentMethodId"], body["amount"], _psp()
        answer = {"pspReference": psp, "merchantReference": body["reference"], "amount": amount}
        if card in REFUSED:
            self._tell("AUTHORISATION", psp, "", body["reference"], amount, is_success=False)
            return 200, {**answer, "resultCode": "Refused", "refusalReason": "no", "refusalReasonCode": REFUSED[card]}
        if card == REDIRECTED:
            return 200, {"resultCode": "RedirectShopper", "pspReference": psp, "action": {"type": "redirect"}}
        part = amount["value"] // 2 if card == PARTLY else amount["value"]
        self.payments[psp] = Payment(
            psp, body["merchantOrderReference"], card, amount["currency"], part, body["reference"]
        )
        self._tell("AUTHORISATION", psp, "", body["reference"], {**amount, "value": part}, is_success=True)
        if card == RECEIVED:
            return 200, {**answer, "resultCode": "Received"}
        if card == PARTLY:
            extra = {"authorisedAmountValue": str(part), "authorisedAmountCurrency": amount["currency"]}
            return 200, {**answer, "resultCode": "PartiallyAuthorised", "additionalData": extra}
        extra = {
            "paymentMethod": "visa",
            "cardSummary": "1111",
            "cardIssuingCountry": "US",
            "alias": "H167852639363479",
        }
        return 200, {**answer, "resultCode": "Authorised", "additionalData": extra}

    def _modify(self, payment: Payment, kind: str, body: dict[str, Any]) -> Answer:
        """Taken note of; whether it can be done is told by an event."""
        psp = _psp()
        amount = body.get("amount", {"value": payment.authorized, "currency": payment.currency})
        event, cards_that_fail, do = _KINDS[kind]
        is_done = payment.card not in cards_that_fail and do(payment, amount["value"])
        payment.requests.append(kind)
        self._tell(event, psp, payment.reference, body["reference"], amount, is_success=is_done)
        answer = {"merchantAccount": ACCOUNT, "paymentPspReference": payment.reference, "reference": body["reference"]}
        return 201, {**answer, "pspReference": psp, "status": "received"}

    def _tell(
        self, event: str, psp: str, original: str, reference: str, amount: dict[str, Any], *, is_success: bool
    ) -> None:
        item: dict[str, Any] = {
            "amount": amount,
            "eventCode": event,
            "eventDate": "2026-01-01T01:00:00+01:00",
            "merchantAccountCode": ACCOUNT,
            "merchantReference": reference,
            "paymentMethod": "visa",
            "pspReference": psp,
            "reason": "" if is_success else "12:Not enough balance",
            "success": "true" if is_success else "false",
        }
        if original:
            item["originalReference"] = original
        signature = generate_notification_sig(item, HMAC_KEY).decode()
        item["additionalData"] = {"expiryDate": "12/2090", "hmacSignature": signature}
        body = json.dumps({"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}).encode()
        if self.tells_first:
            self._send(body)
        else:
            self.events.put(body)

    def send_events(self) -> None:
        """In the order in which they arose; each after the answer, or before, as chance has it."""
        while True:
            self._send(self.events.get())

    def _send(self, event: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.webhook_url, event, headers)  # noqa: S310  # a test's own address
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310


def _capture(payment: Payment, value: int) -> bool:
    if payment.is_cancelled or payment.captured or value > payment.authorized:
        return False
    payment.captured = value
    return True


def _cancel(payment: Payment, _value: int) -> bool:
    if payment.is_cancelled or payment.captured:
        return False
    payment.is_cancelled = True
    return True


def _refund(payment: Payment, value: int) -> bool:
    if payment.refunded + value > payment.captured:
        return False
    payment.refunded += value
    return True


_KINDS = {
    "captures": ("CAPTURE", {CAPTURE_FAILS, NOTHING_WORKS}, _capture),
    "cancels": ("CANCELLATION", {NOTHING_WORKS}, _cancel),
    "refunds": ("REFUND", {REFUND_FAILS}, _refund),
}


def _psp() -> str:
    return f"P{uuid4().hex[:15].upper()}"


def _error(status: int, code: str, message: str, kind: str) -> Answer:
    return status, {"status": status, "errorCode": code, "message": message, "errorType": kind}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.adyen = Adyen()
        threading.Thread(target=self.adyen.send_events, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/_webhooks":
            self.server.adyen.webhook_url = body["url"]
            self.server.adyen.tells_first = body["first"]
            self._answer(200, {})
            return
        status, answer = self.server.adyen.handle(self.path.removeprefix("/v71"), self.headers, body)
        self._answer(status, answer)

    def do_GET(self) -> None:
        """What a test wants to know, and Adyen does not tell: there is nothing to look up there."""
        adyen = self.server.adyen
        with adyen.lock:
            payments = [asdict(each) for each in adyen.payments.values()]
            known = {"/_payments": {"payments": payments}, "/_calls": {"calls": list(adyen.calls)}}
        self._answer(200 if self.path in known else 404, known.get(self.path, {}))

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if key := self.headers.get("Idempotency-Key"):
            self.send_header("Idempotency-Key", key)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    Server(int(sys.argv[1])).serve_forever()
