"""A refund on its own: give back part or all of what a charge still holds, after its checkout is over."""

from dataclasses import dataclass
from typing import Any

from payments.errors import RefundExceedsCapturedError, StoppedByOperatorError
from payments.models import ChargeAttempt, Refund, SagaExecution
from payments.sagas import registry
from payments.sagas.definition import Foreign, Saga
from payments.sagas.operations import RefundCharge
from payments.sagas.run import Run


@dataclass(frozen=True)
class RefundContext:
    """Whose money goes back, and why."""

    charge: str
    gateway: str
    reason: str


REFUND = registry.register(
    Saga("refund", version=1, context=RefundContext, steps=(Foreign(RefundCharge()),), for_client=True)
)


def give_up(run: Run) -> None:
    """Nothing goes back: what was set aside for it is free again."""
    RefundCharge().mark_refused(run, StoppedByOperatorError())


def open_refund(charge: ChargeAttempt, *, amount_minor: int, cause: str, reason: str, **fields: Any) -> SagaExecution:
    """Set the amount aside and begin giving it back, in the caller's transaction; once for each `cause`.

    Raise RefundExceedsCapturedError when there is not that much left.
    """
    if not charge.reserve_refund(amount_minor):
        raise RefundExceedsCapturedError(charge=charge.public_id)
    saga = SagaExecution.objects.begin(
        definition=REFUND.name,
        version=REFUND.version,
        business_key=cause,
        order_id=charge.order_id,
        context={"charge": str(charge.pk), "gateway": charge.gateway, "reason": reason},
        **fields,
    )
    Refund.objects.create(charge=charge, saga=saga, amount_minor=amount_minor, currency=charge.currency, reason=reason)
    return saga
