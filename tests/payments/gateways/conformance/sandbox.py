"""Paydesk's own sandbox: the yardstick, and without any difference."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from payments.gateways.base import PaymentGateway
from payments.gateways.sandbox import SandboxGateway
from tests.payments.gateways.conformance.subject import Subject
from tests.peers.receiver import Delivery, Receiver, receiving
from tests.sandbox import SECRET, Sandbox


class OnSandbox(Subject):
    name = "sandbox"

    _sandbox: Sandbox
    _receiver: Receiver

    @contextmanager
    def peer(self, folder: Path) -> Iterator[str]:
        with (
            receiving() as self._receiver,
            Sandbox(folder / "journal.sqlite3", webhook_url=self._receiver.url) as self._sandbox,
        ):
            yield self._sandbox.url

    def settings(self) -> Mapping[str, Any]:
        return {"SANDBOX_GATEWAY_URL": self.proxy.url, "SANDBOX_WEBHOOK_SECRETS": [SECRET]}

    def adapter(self) -> PaymentGateway:
        return SandboxGateway()

    def good_method(self) -> str:
        return "tok_visa"

    def declined_method(self) -> str:
        return "tok_insufficient_funds"

    def challenged_method(self) -> str:
        return "tok_3ds"

    def answer_challenge(self, reference: str, *, is_passed: bool) -> None:
        answer = self._sandbox.post(f"/3ds/{reference}/{'approve' if is_passed else 'fail'}")
        assert answer.status < 400, answer.data

    def report(self, day: date) -> bytes:
        """Its own report of that UTC day, as a file."""
        return self._sandbox.get("/report.csv", date=day.isoformat()).data

    def capture_webhook(self, reference: str) -> Delivery:
        return self._receiver.wait_for('"charge.captured"', reference)
