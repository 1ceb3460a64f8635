"""A refund on its own: give back what a charge still holds, after its checkout is over."""

from dataclasses import dataclass

from payments.models import ChargeAttempt, SagaExecution
from payments.sagas import registry
from payments.sagas.definition import Foreign, Saga
from payments.sagas.operations import RefundCharge


@dataclass(frozen=True)
class RefundContext:
    """Whose money goes back, and why."""

    charge: str
    gateway: str
    reason: str


REFUND = registry.register(Saga("refund", version=1, context=RefundContext, steps=(Foreign(RefundCharge()),)))


def open_refund(charge: ChargeAttempt, *, cause: str, reason: str) -> SagaExecution:
    """Begin giving back whatever is still captured, in the caller's transaction; once for each `cause`."""
    return SagaExecution.objects.create(
        definition=REFUND.name,
        version=REFUND.version,
        business_key=cause,
        order_id=charge.order_id,
        context={"charge": str(charge.pk), "gateway": charge.gateway, "reason": reason},
    )
