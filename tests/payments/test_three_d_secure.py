"""A customer who has to prove who they are; web server, worker and gateway are processes of their own."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
from django.db.models.functions import Now
from django.utils import timezone

from orders.ids import new_id
from orders.models import Order
from payments.models import ChargeAttempt, SagaExecution, WebhookEvent
from payments.sagas.authorization import CUSTOMER_POLL
from tests.config.builders import bearer, make_token
from tests.orders.builders import make_order
from tests.payments.builders import make_due
from tests.payments.sagas.evidence import overdue
from tests.processes import PATIENCE_SECONDS, free_port, wait_until, web_server, worker
from tests.sandbox import Sandbox


class Shop:
    """A client with one order, and the customer's browser."""

    def __init__(self, url: str, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.order = make_order()
        self.key = f"key-{new_id()}"
        self._url = url
        self._headers = bearer(make_token(self.order.client))

    def checkout(self, payment_method: str = "tok_3ds", *, key: str = "") -> urllib3.BaseHTTPResponse:
        headers = {**self._headers, "Idempotency-Key": key or self.key}
        url = f"{self._url}/v1/orders/{self.order.public_id}/checkout"
        body = {"payment_method": payment_method}
        return urllib3.request("POST", url, json=body, headers=headers, retries=False, timeout=PATIENCE_SECONDS)

    def begin(self) -> str:
        """Check out, and return the address of the challenge."""
        answer = self.checkout()
        assert (answer.status, self.status) == (202, "requires_action"), answer.data
        return str(answer.json()["next_action"]["url"])

    def click(self, page: str, button: str) -> None:
        answer = self.sandbox.http.request("POST", f"{page}/{button}", fields={}, redirect=False)
        assert answer.status == 303, answer.data

    def calls(self, *operations: str) -> list[str]:
        """What the gateway did with the order, in order."""
        entries = [entry for entry in self.sandbox.journal() if entry["order"] == self.order.public_id]
        return [e["operation"] for e in entries if e["result"] == "succeeded" and e["operation"] in operations]

    def charge_at_the_gateway(self) -> str:
        reference = ChargeAttempt.objects.get(order=self.order, payment_method="tok_3ds").gateway_reference
        return str(self.sandbox.get(f"/v1/charges/{reference}").json()["charge"]["status"])

    @property
    def status(self) -> str:
        return Order.objects.values_list("status", flat=True).get(pk=self.order.pk)

    @property
    def saga(self) -> SagaExecution:
        return SagaExecution.objects.get(order=self.order, idempotency_key__key=self.key)


@pytest.fixture
def open_shop(process_environment: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """Start everything, with or without the gateway's webhooks, and be its client."""
    with ExitStack() as processes:

        def opened(*, has_webhooks: bool) -> Shop:
            port = free_port()
            address = f"http://127.0.0.1:{port}/v1/webhooks/sandbox" if has_webhooks else None
            sandbox = processes.enter_context(Sandbox(tmp_path / "journal.sqlite3", webhook_url=address))
            secrets = {"SANDBOX_GATEWAY_URL": sandbox.url, "SANDBOX_WEBHOOK_SECRETS": sandbox.secret}
            environment = process_environment | secrets
            processes.enter_context(worker(environment))
            return Shop(processes.enter_context(web_server(environment, port=port)), sandbox)

        yield opened


def events() -> list[tuple[str, str]]:
    return sorted(WebhookEvent.objects.values_list("kind", "status"))


def test_an_approval_is_captured_once_the_gateway_tells_of_it(open_shop: Any) -> None:
    shop = open_shop(has_webhooks=True)
    page = shop.begin()
    wait_until(lambda: events() == [("charge.requires_action", "processed")])
    SagaExecution.objects.update(next_run_at=Now() + timedelta(hours=1))  # nobody asks: an event alone wakes it

    shop.click(page, "approve")

    wait_until(lambda: shop.status == "completed")
    assert (shop.checkout().status, shop.calls("capture", "ship")) == (201, ["capture", "ship"])
    wait_until(lambda: ("charge.authentication_succeeded", "processed") in events())


def test_an_approval_is_found_out_by_asking_when_no_webhook_comes(open_shop: Any) -> None:
    shop = open_shop(has_webhooks=False)
    page = shop.begin()
    assert shop.saga.next_run_at - timezone.now() <= CUSTOMER_POLL

    shop.click(page, "approve")
    make_due(shop.saga)

    wait_until(lambda: shop.status == "completed")
    assert (shop.checkout().status, shop.calls("capture", "ship")) == (201, ["capture", "ship"])
    assert events() == []


def test_after_a_failed_challenge_the_order_is_payable_again_once_the_gateway_has_cancelled(open_shop: Any) -> None:
    shop = open_shop(has_webhooks=True)
    page = shop.begin()
    shop.sandbox.fault("latency", operation="void", times=1, seconds=1)

    shop.click(page, "fail")

    wait_until(lambda: shop.saga.steps.filter(name="void_payment", state="started").exists())
    assert shop.checkout("tok_visa", key="meanwhile").status == 409
    wait_until(lambda: shop.status == "payment_failed")
    failed = shop.checkout()
    assert (failed.status, failed.json()["code"]) == (402, "authentication_failed")
    assert shop.checkout("tok_visa", key="afterwards").status == 201
    assert (shop.charge_at_the_gateway(), shop.calls("capture")) == ("failed", ["capture"])


def test_a_customer_who_never_answers_is_cancelled_at_the_deadline_and_comes_too_late_then(open_shop: Any) -> None:
    shop = open_shop(has_webhooks=False)
    page = shop.begin()

    make_due(overdue(shop.saga))

    wait_until(lambda: shop.status == "payment_failed")
    answer = shop.checkout()
    assert (answer.status, answer.json()["code"]) == (402, "authentication_failed")
    shop.click(page, "approve")
    assert (shop.charge_at_the_gateway(), shop.calls("void", "capture")) == ("voided", ["void"])
