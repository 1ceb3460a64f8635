"""People who act on sagas, and the sagas that wait for them."""

import json
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Sum
from django.db.models.functions import Now

from fraud.models import ReviewCase
from fraud.services import close_case
from orders.models import Order
from payments.interventions import approvals, offers, requests
from payments.interventions.actions import ACTIONS
from payments.interventions.standing import read
from payments.models import ChargeAttempt, LedgerPosting, SagaExecution, SagaIntervention, SagaStep, WebhookEvent
from payments.sagas.refund import open_refund
from payments.webhooks import inbox
from tests.orders.builders import make_client, make_order
from tests.payments.builders import LONG_AGO, advance, begin_checkout, charge_of, exchange, order_of, run_checkout
from tests.sandbox import Sandbox

REASON = "Spoke to the customer."
ABROAD = {"country": "DE", "postal_code": "10115"}
REFUSED_PARCEL = "99999"


def make_operator() -> User:
    return make_client(group="Operator")


def ask_for(saga: SagaExecution, action: str, *, by: User | None = None, **given: Any) -> SagaIntervention:
    """As somebody who sees the saga as it is now."""
    saga.refresh_from_db()
    facts = {"reason": REASON, "epoch": saga.epoch, **given}
    row = requests.request(saga, action=action, by=by or make_operator(), **facts)
    saga.refresh_from_db()
    return row


def approve(row: SagaIntervention, *, by: User | None = None) -> SagaIntervention:
    row = approvals.approve(row, by=by or make_operator(), note="Agreed.")
    row.saga.refresh_from_db()
    return row


def force(saga: SagaExecution, action: str, **given: Any) -> SagaIntervention:
    """Asked for by one person and approved by another."""
    row = approve(ask_for(saga, action, **given))
    saga.refresh_from_db()
    return row


def possible(saga: SagaExecution, by: User | None = None) -> set[str]:
    """What somebody may do now, who may do everything."""
    return {offer.name for offer in offers.possible(read(saga.pk), (by or make_operator()).has_perm)}


def told_of(saga: SagaExecution, action: str) -> str:
    """What somebody is told that the action will do."""
    standing = read(saga.pk)
    assert standing is not None
    return ACTIONS[action].told(standing)


def everything(saga: SagaExecution) -> dict[str, Any]:
    """All that could change, to see that nothing did."""
    return {
        "saga": SagaExecution.objects.values().get(pk=saga.pk),
        "steps": list(saga.steps.order_by("id").values()),
        "order": Order.objects.values().get(pk=saga.order_id),
        "charges": list(ChargeAttempt.objects.filter(order=saga.order_id).order_by("id").values()),
        "refunds": list(saga.refunds.order_by("id").values()),
        "ledger": list(LedgerPosting.objects.order_by("id").values()),
        "stock": list(saga.order.reservations.order_by("id").values()),
    }


def step_in_hand(saga: SagaExecution) -> SagaStep:
    return SagaStep.objects.get(saga=saga, position=saga.cursor, direction=saga.direction)


def failed_refund(order: Order | None = None) -> SagaExecution:
    """A parcel refused, and the money's way back too: 25.00 are still ours."""
    saga = run_checkout(order or make_order(postal_code=REFUSED_PARCEL), "tok_refund_fails")
    assert saga.state == "failed_compensation"
    return saga


def given_up(saga: SagaExecution) -> SagaExecution:
    """What is in hand has been tried as often as it may, and never happened."""
    SagaStep.objects.filter(saga=saga, state="started").update(attempts=99)
    return advance(saga)


def unreachable_refund(sandbox: Sandbox) -> SagaExecution:
    """A refund that could be made, and came to nothing as often as it was tried."""
    sandbox.fault("status_429", operation="refund")
    saga = given_up(exchange(begin_checkout(make_order(postal_code=REFUSED_PARCEL)), times=4))
    assert saga.state == "failed_compensation"
    sandbox.clear_faults()
    return saga


def failed_void() -> SagaExecution:
    """Rejected in review, and the authorization does not let itself be voided."""
    saga = run_checkout(make_order(billing=ABROAD), "tok_void_fails")
    close_case(ReviewCase.objects.get(order_id=saga.order_id), outcome="rejected", by=None, note="No.")
    saga = advance(saga)
    assert saga.state == "failed_compensation"
    return saga


def unknown(
    sandbox: Sandbox, operation: str, *, fault: str = "drop_after", order: Order | None = None, exchanges: int = 0
) -> SagaExecution:
    """A call whose answer is lost, and a gateway that does not say what became of it."""
    sandbox.fault(fault, operation=operation, times=1)
    silence(sandbox)
    before = {"authorize": 0, "capture": 1, "ship": 2, "refund": 3}[operation]
    postal_code = REFUSED_PARCEL if operation == "refund" else "10001"
    saga = exchange(begin_checkout(order or make_order(postal_code=postal_code)), times=exchanges or before + 1)
    assert saga.waiting_for == "unknown_outcome"
    return saga


def stopped_unknown(sandbox: Sandbox, operation: str, **how: Any) -> SagaExecution:
    """The same, a day later: a person is called. The gateway still does not say."""
    saga = unknown(sandbox, operation, **how)
    SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() - LONG_AGO)
    saga = advance(saga)
    assert saga.state == "needs_attention"
    return saga


def stopped_refund(sandbox: Sandbox, payment_method: str = "tok_refund_fails") -> SagaExecution:
    """A refund that nobody waits for, and that the gateway refuses for good."""
    charge = charge_of(run_checkout(payment_method=payment_method))
    saga = open_refund(charge, amount_minor=10_00, cause=f"test:{charge.pk}", reason="Rejected in review.")
    saga = advance(saga)
    assert saga.state == "needs_attention"
    return saga


def suspense(charge: ChargeAttempt) -> int:
    """What stands in suspense for the charge, in credit."""
    postings = LedgerPosting.objects.filter(charge=charge)
    credit = postings.filter(credit="suspense").aggregate(total=Sum("amount_minor"))["total"] or 0
    debit = postings.filter(debit="suspense").aggregate(total=Sum("amount_minor"))["total"] or 0
    return credit - debit


def by_hand(sandbox: Sandbox, charge: ChargeAttempt, what: str, **body: Any) -> str:
    """Done at the gateway's own desk; the transaction's name."""
    path = f"/v1/charges/{charge.gateway_reference}/{what}"
    answer = sandbox.post(path, body, key=f"by-hand-{what}-{charge.pk}")
    assert answer.status == 200, answer.data
    return str(answer.json()["operation"]["id"])


def silence(sandbox: Sandbox) -> None:
    """Nobody is told what became of anything."""
    sandbox.fault("status_500", operation="look_up")


def reference_of(sandbox: Sandbox, saga: SagaExecution, kind: str = "charge") -> str:
    """What the gateway calls the order's charge, or the carrier its shipment; nobody has to be asked for it."""
    return str(next(e[kind] for e in sandbox.journal() if e["order"] == order_of(saga).public_id and e[kind]))


def named(sandbox: Sandbox, saga: SagaExecution, operation: str) -> str:
    """What the gateway calls the last such thing it did for the order. It answers again from now on."""
    sandbox.clear_faults()
    reference = reference_of(sandbox, saga)
    operations = sandbox.get(f"/v1/charges/{reference}").json()["charge"]["operations"]
    return str([each["id"] for each in operations if each["operation"] == operation][-1])


def postings(charge: ChargeAttempt) -> list[tuple[str, str, str, int]]:
    rows = LedgerPosting.objects.filter(charge=charge).order_by("pk")
    return list(rows.values_list("kind", "debit", "credit", "amount_minor"))


def tell(sandbox: Sandbox, charge: ChargeAttempt, kind: str, transaction: str) -> WebhookEvent:
    """The gateway's webhook about what was done by hand."""
    found = sandbox.get(f"/v1/charges/{charge.gateway_reference}").json()["charge"]
    operation = next(each for each in found["operations"] if each["id"] == transaction)
    body = json.dumps({"id": f"evt_{transaction}", "type": kind, "data": {"charge": found, "operation": operation}})
    WebhookEvent.objects.create(gateway="sandbox", event_id=f"evt_{transaction}", kind=kind, body=body)
    assert inbox.apply_next()
    return WebhookEvent.objects.get(event_id=f"evt_{transaction}")
