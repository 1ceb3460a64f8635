"""Stripe, as two others imitate it: `localstripe` its PaymentIntents, `stripe-stateful-mock` its Charges API."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from payments.errors import GatewayTimeoutError
from payments.gateways.base import PaymentGateway
from payments.gateways.stripe.charges import StripeChargesGateway
from payments.gateways.stripe.intents import StripeGateway
from tests.payments.gateways.conformance.subject import Difference, Subject
from tests.peers import processes, programs
from tests.peers.receiver import Delivery, Receiver, receiving

KEY = "sk_test_paydesk0123456789"
SECRET = "whsec_localstripe"
GOOD, DECLINED, CHALLENGED = "4242424242424242", "4000000000000341", "4000002500003155"


class OnLocalstripe(Subject):
    name = "stripe"
    differences = {  # noqa: RUF012  # the base class declares it
        "test_a_repeated_authorization_is_answered_like_the_first": Difference(
            "localstripe ignores Idempotency-Key: it refuses to confirm twice", GatewayTimeoutError
        ),
        "test_a_repeated_capture_is_answered_like_the_first": Difference(
            "localstripe ignores Idempotency-Key: it refuses to capture twice", GatewayTimeoutError
        ),
        "test_a_repeated_refund_is_answered_like_the_first": Difference(
            "localstripe ignores Idempotency-Key: it refunds twice"
        ),
        "test_a_repeated_refund_is_one_movement": Difference("localstripe ignores Idempotency-Key: it refunds twice"),
        "test_more_than_was_captured_is_not_refunded": Difference(
            "localstripe lets over-refunds pass", pytest.fail.Exception
        ),
        "test_the_customer_comes_back_from_a_challenge": Difference(
            "localstripe answers 400 to return_url", GatewayTimeoutError
        ),
    }

    _url: str
    _receiver: Receiver

    @contextmanager
    def peer(self, folder: Path) -> Iterator[str]:
        with (
            receiving() as self._receiver,
            processes.running(programs.LOCALSTRIPE, folder) as self._url,
        ):
            self._post("/_config/webhooks/paydesk", url=self._receiver.url, secret=SECRET)
            yield self._url

    def settings(self) -> Mapping[str, Any]:
        return {"STRIPE_API_BASE": self.proxy.url, "STRIPE_API_KEY": KEY, "STRIPE_WEBHOOK_SECRETS": [SECRET]}

    def adapter(self) -> PaymentGateway:
        return StripeGateway()

    def good_method(self) -> str:
        return self._method(GOOD)

    def declined_method(self) -> str:
        return self._method(DECLINED)

    def challenged_method(self) -> str:
        return self._method(CHALLENGED)

    def answer_challenge(self, reference: str, *, is_passed: bool) -> None:
        path = f"/v1/payment_intents/{reference}"
        secret = self._ask("GET", path).json()["client_secret"]
        self._post(f"{path}/_authenticate", client_secret=secret, success=is_passed)

    def capture_webhook(self, reference: str) -> Delivery:
        return self._receiver.wait_for('"payment_intent.succeeded"', reference)

    def _method(self, number: str) -> str:
        card = {"number": number, "exp_month": 12, "exp_year": 2090, "cvc": "123"}
        return str(self._post("/v1/payment_methods", type="card", card=card).json()["id"])

    def _post(self, path: str, **body: Any) -> urllib3.BaseHTTPResponse:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = urllib3.request(method, self._url + path, headers=headers, retries=False, timeout=10.0, **options)
        assert answer.status == 200, answer.data
        return answer


class OnStatefulMock(Subject):
    name = "stripe_charges"
    has_three_d_secure = False
    has_webhooks = False
    has_transactions = False
    has_three_decimals = False

    @contextmanager
    def peer(self, folder: Path) -> Iterator[str]:
        with processes.running(programs.STATEFUL_MOCK, folder) as url:
            yield url

    def settings(self) -> Mapping[str, Any]:
        return {"STRIPE_API_BASE": self.proxy.url, "STRIPE_API_KEY": KEY}

    def adapter(self) -> PaymentGateway:
        return StripeChargesGateway()

    def good_method(self) -> str:
        return "tok_visa"

    def declined_method(self) -> str:
        return "tok_chargeDeclined"
