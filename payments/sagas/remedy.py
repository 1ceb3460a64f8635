"""The remedy: undo at the gateway, or carrier, what it did after our books were closed."""

from dataclasses import dataclass

from payments import ledger
from payments.gateways.base import Operation, Outcome, Request, Result
from payments.models import GatewayOutcome, LedgerPosting
from payments.sagas import registry
from payments.sagas.definition import Foreign, Saga, Verdict
from payments.sagas.operations import GatewayOperation, Void, charge_of
from payments.sagas.run import Run
from payments.sagas.shipping import ShipmentCancelling


@dataclass(frozen=True)
class RemedyContext:
    """What was done: `operation` moved `amount`, in minor units, on the peer's object `reference`.

    `gateway` is the charge's, also where a parcel is called back.
    """

    charge: str
    gateway: str
    operation: str
    reference: str
    amount: int
    currency: str


class _Stray(GatewayOperation):
    """Something done to an object of the gateway that no charge of ours stands for any more."""

    remedies: Operation

    def prepare(self, run: Run) -> Request | None:
        context = run.context
        if context["operation"] != self.remedies:
            return None
        return Request(
            key="",
            order=run.order.public_id,
            amount_minor=context["amount"],
            currency=context["currency"],
            reference=context["reference"],
        )

    def record(self, run: Run, outcome: Outcome, source: str) -> Verdict:
        if outcome.result != Result.SUCCEEDED:
            return super().record(run, outcome, source)
        charge = charge_of(run)
        _, is_new = GatewayOutcome.objects.get_or_create(
            gateway=charge.gateway,
            operation=outcome.operation,
            transaction_id=outcome.transaction_id,
            defaults={
                "charge": charge,
                "amount_minor": outcome.amount_minor,
                "currency": outcome.currency,
                "source": source,
                "occurred_at": outcome.occurred_at,
            },
        )
        if is_new and outcome.operation == Operation.REFUND:
            ledger.post_refund(charge, outcome, debit=LedgerPosting.Account.SUSPENSE)
        return None


class VoidStray(_Stray):
    name = "void_stray"
    operation = Operation.VOID
    remedies = Operation.AUTHORIZE

    def execute(self, run: Run, request: Request) -> Outcome:
        return Void().execute(run, request)


class RefundStray(_Stray):
    name = "refund_stray"
    operation = Operation.REFUND
    remedies = Operation.CAPTURE

    def execute(self, run: Run, request: Request) -> Outcome:
        return self.peer(run).refund(request)


class CallBackStray(ShipmentCancelling):
    """A parcel that was handed over when nobody counted on it any more."""

    name = "call_back_stray"

    def prepare(self, run: Run) -> Request | None:
        return super().prepare(run) if run.context["operation"] == Operation.SHIP else None


REMEDY = registry.register(
    Saga(
        "remedy",
        version=1,
        context=RemedyContext,
        steps=(Foreign(VoidStray()), Foreign(RefundStray()), Foreign(CallBackStray())),
        is_remedy=True,
    )
)
