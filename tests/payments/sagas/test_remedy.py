"""What the gateway did after our books were closed is undone there."""

import pytest
from django.db.models import Sum

from payments.gateways.base import Operation, Outcome, Result
from payments.models import ChargeAttempt, GatewayOutcome, LedgerPosting, SagaExecution
from payments.outcomes import record_outcome
from tests.orders.builders import make_order
from tests.payments.builders import advance, charge_of, run_checkout
from tests.payments.interventions.builders import tell
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

WEBHOOK = GatewayOutcome.Source.WEBHOOK


def authorized_but_voided_in_our_books(payment_method: str = "tok_visa") -> ChargeAttempt:
    abroad = {"country": "DE", "postal_code": "10115"}
    saga = run_checkout(make_order(billing=abroad), payment_method)
    ChargeAttempt.objects.filter(saga=saga).update(status="voided")
    SagaExecution.objects.filter(pk=saga.pk).update(state="compensated")
    return charge_of(saga)


def capture_behind_our_back(sandbox: Sandbox, charge: ChargeAttempt) -> Outcome:
    answer = sandbox.post(f"/v1/charges/{charge.gateway_reference}/capture", {}, key=f"elsewhere-{charge.pk}")
    assert answer.status == 200, answer.data
    done = answer.json()["operation"]
    return Outcome(
        Operation.CAPTURE, Result.SUCCEEDED, done["id"], charge.gateway_reference, done["amount"], done["currency"]
    )


def authorize_behind_our_back(sandbox: Sandbox, charge: ChargeAttempt) -> Outcome:
    body = {
        "order": charge.order.public_id,
        "amount": charge.amount_minor,
        "currency": charge.currency,
        "payment_method": "tok_visa",
    }
    answer = sandbox.post("/v1/charges", body, key=f"elsewhere-{charge.pk}").json()
    done = answer["operation"]
    return Outcome(
        Operation.AUTHORIZE, Result.SUCCEEDED, done["id"], answer["charge"]["id"], done["amount"], done["currency"]
    )


def remedy_of(charge: ChargeAttempt) -> SagaExecution:
    return SagaExecution.objects.get(definition="remedy", order=charge.order_id)


def suspense(charge: ChargeAttempt) -> int:
    """What stands in suspense for the charge: nothing, when all is well."""
    postings = LedgerPosting.objects.filter(charge=charge)
    credits = postings.filter(credit="suspense").aggregate(total=Sum("amount_minor"))["total"] or 0
    debits = postings.filter(debit="suspense").aggregate(total=Sum("amount_minor"))["total"] or 0
    return credits - debits


def done_at(sandbox: Sandbox, reference: str) -> list[str]:
    entries = [e for e in sandbox.journal() if e["charge"] == reference and e["result"] == "succeeded"]
    return [entry["operation"] for entry in entries if not entry["replayed"] and entry["operation"] != "look_up"]


def test_a_capture_of_a_voided_charge_is_refunded_through_suspense(sandbox: Sandbox) -> None:
    charge = authorized_but_voided_in_our_books()
    record_outcome(charge, capture_behind_our_back(sandbox, charge), source=WEBHOOK)
    assert suspense(charge) == charge.amount_minor

    remedy = advance(remedy_of(charge))

    assert (remedy.state, suspense(charge)) == ("completed", 0)
    assert done_at(sandbox, charge.gateway_reference) == ["authorize", "capture", "refund"]


def test_the_webhook_of_its_own_refund_tells_nothing_new(sandbox: Sandbox) -> None:
    charge = authorized_but_voided_in_our_books()
    record_outcome(charge, capture_behind_our_back(sandbox, charge), source=WEBHOOK)
    advance(remedy_of(charge))
    refund = GatewayOutcome.objects.get(charge=charge, operation="refund")

    event = tell(sandbox, charge, "charge.refunded", refund.transaction_id)

    assert (event.status, suspense(charge)) == ("processed", 0)


def test_a_second_authorization_is_voided_and_the_first_left_alone(sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout())
    second = authorize_behind_our_back(sandbox, charge)
    record_outcome(charge, second, source=WEBHOOK)

    remedy = advance(remedy_of(charge))

    charge.refresh_from_db()
    assert (remedy.state, charge.status) == ("completed", "captured")
    assert done_at(sandbox, second.reference) == ["authorize", "void"]
    assert done_at(sandbox, charge.gateway_reference) == ["authorize", "capture"]


def test_a_remedy_answered_in_silence_is_looked_up_and_done_once(sandbox: Sandbox) -> None:
    charge = authorized_but_voided_in_our_books()
    record_outcome(charge, capture_behind_our_back(sandbox, charge), source=WEBHOOK)
    sandbox.fault("drop_after", operation="refund", times=1)

    remedy = advance(remedy_of(charge))

    assert (remedy.state, suspense(charge)) == ("completed", 0)
    assert done_at(sandbox, charge.gateway_reference).count("refund") == 1


def test_a_remedy_that_is_refused_goes_to_a_person_with_the_money_in_suspense(sandbox: Sandbox) -> None:
    charge = authorized_but_voided_in_our_books("tok_refund_fails")
    record_outcome(charge, capture_behind_our_back(sandbox, charge), source=WEBHOOK)

    remedy = advance(remedy_of(charge))

    assert (remedy.state, suspense(charge)) == ("needs_attention", charge.amount_minor)


def test_what_was_voided_in_the_meantime_needs_no_remedy_any_more(sandbox: Sandbox) -> None:
    charge = charge_of(run_checkout())
    second = authorize_behind_our_back(sandbox, charge)
    record_outcome(charge, second, source=WEBHOOK)
    assert sandbox.post(f"/v1/charges/{second.reference}/void", {}, key=f"by-hand-{charge.pk}").status == 200

    assert advance(remedy_of(charge)).state == "completed"
