"""The money of one past checkout: its charge attempt, what the gateway did, and what the ledger says of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from config.demo_data.journal import Json
from config.demo_data.records import Records, dated, id_at
from orders.models import Order
from payments.models import ChargeAttempt, GatewayOutcome, LedgerPosting, Refund, SagaEvent, SagaExecution, SagaStep

GATEWAY: Final = "sandbox"
Account, Status = LedgerPosting.Account, ChargeAttempt.Status

POSTINGS: Final = {
    "capture": (LedgerPosting.Kind.CAPTURE, Account.GATEWAY_CLEARING, Account.SALES),
    "refund": (LedgerPosting.Kind.REFUND, Account.REFUNDS, Account.GATEWAY_CLEARING),
}
"""Kind, debit and credit by operation."""


def operations_of(charge: Json) -> dict[str, Json]:
    """A past charge's operations by name; each happened once."""
    return {operation["operation"]: operation for operation in charge["operations"]}


class Movements:
    """`charge` is the sandbox's own account of it: every amount, id and time is taken from there."""

    def __init__(self, order: Order, saga: SagaExecution, charge: Json, records: Records) -> None:
        self.order = order
        self.saga = saga
        self.charge = charge
        self.records = records
        self.attempt = ChargeAttempt()

    @property
    def card_facts(self) -> Mapping[str, str]:
        """What screening looks at after an authorization."""
        names = ("card_country", "card_brand", "card_fingerprint", "avs_result", "cvv_result")
        return {name: getattr(self.attempt, name) for name in names}

    def add_attempt(self, payment_method: str) -> None:
        """The attempt as it is today, with an outcome and a posting for each thing the gateway did."""
        charge = self.charge
        self.attempt = ChargeAttempt(
            id=id_at(datetime.fromisoformat(charge["created_at"])),
            order=self.order,
            saga=self.saga,
            gateway=GATEWAY,
            gateway_reference=charge["id"],
            payment_method=payment_method,
            amount_minor=charge["amount"],
            currency=charge["currency"],
            status=charge["status"] if charge["status"] in (Status.DECLINED, Status.CAPTURED) else Status.AUTHORIZED,
            decline_code=charge["decline_code"] or "",
            **dated(datetime.fromisoformat(charge["operations"][-1]["at"])),
        )
        self.records.add(self.attempt)
        self.attempt.created_at = datetime.fromisoformat(charge["created_at"])
        if self.attempt.status != Status.DECLINED:
            self._add_success()

    def _add_success(self) -> None:
        attempt, charge, card = self.attempt, self.charge, self.charge["card"]
        attempt.authorized_minor = charge["amount"]
        attempt.captured_minor, attempt.refunded_minor = charge["amount_captured"], charge["amount_refunded"]
        attempt.card_brand, attempt.card_last4 = card["brand"], card["last4"]
        attempt.card_country, attempt.card_fingerprint = card["country"], card["fingerprint"]
        attempt.avs_result, attempt.cvv_result = charge["avs_result"], charge["cvv_result"]
        attempt.authorization_expires_at = datetime.fromisoformat(charge["authorization_expires_at"])
        self.order.paid_minor = charge["amount_captured"] - charge["amount_refunded"]
        for name, operation in operations_of(charge).items():
            self._add_outcome(name, operation)

    def _add_outcome(self, name: str, operation: Json) -> None:
        at = datetime.fromisoformat(operation["at"])
        facts = {
            "gateway": GATEWAY,
            "transaction_id": operation["id"],
            "charge": self.attempt,
            "amount_minor": operation["amount"],
            "currency": operation["currency"],
            "occurred_at": at,
        }
        source = GatewayOutcome.Source.ANSWER
        self.records.add(GatewayOutcome(operation=name, source=source, recorded_at=at, **facts))
        if name in POSTINGS:
            kind, debit, credit = POSTINGS[name]
            self.records.add(LedgerPosting(kind=kind, debit=debit, credit=credit, posted_at=at, **facts))

    def add_refund(self, *, is_compensation: bool) -> None:
        """The refund, by the checkout's own saga when it was undone, else by one of its own."""
        operation = operations_of(self.charge)["refund"]
        at = datetime.fromisoformat(operation["at"])
        refund = Refund(
            id=id_at(at),
            charge=self.attempt,
            amount_minor=operation["amount"],
            currency=operation["currency"],
            reason="shipment_refused" if is_compensation else "Returned by the customer",
            status=Refund.Status.SUCCEEDED,
            gateway_reference=operation["id"],
            **dated(at),
        )
        refund.saga = self.saga if is_compensation else self._refund_saga(refund, operation, at)
        self.records.add(refund)

    def _refund_saga(self, refund: Refund, operation: Json, at: datetime) -> SagaExecution:
        saga = SagaExecution(
            id=id_at(at),
            definition="refund",
            version=1,
            business_key=refund.public_id,
            order=self.order,
            state=SagaExecution.State.COMPLETED,
            cursor=1,
            epoch=1,
            next_run_at=at,
            finished_at=at,
            **dated(at),
        )
        step = SagaStep(
            id=id_at(at),
            saga=saga,
            position=0,
            direction=SagaExecution.Direction.FORWARD,
            name="refund_payment",
            state=SagaStep.State.DONE,
            outcome=SagaStep.Outcome.OK,
            key=operation["idempotency_key"],
            result={"transaction_id": operation["id"], "amount_minor": operation["amount"]},
            attempts=1,
            started_at=at,
            finished_at=at,
        )
        self.records.add(saga, step, SagaEvent(saga=saga, kind="completed", created_at=at))
        return saga
