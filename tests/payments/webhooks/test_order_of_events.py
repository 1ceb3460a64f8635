"""In whatever order the events of a charge come, it ends as the gateway has it."""

from itertools import permutations
from typing import Any

import pytest
from django.db.models import Q, Sum
from pytest_django import Settings

from payments.models import ChargeAttempt, Dispute, LedgerPosting, Refund, SagaExecution, WebhookEvent
from tests.orders.builders import make_client, make_order
from tests.payments.builders import Api, advance, charge_of, order_of, run_checkout
from tests.payments.webhooks.deliveries import act_on_all, charge_at_the_sandbox, deliver, event
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

TOTAL, REFUNDED = 25_00, 5_00
KINDS = ("charge.captured", "charge.refunded", "refund.failed", "dispute.opened", "dispute.won")
CLEARING = LedgerPosting.Account.GATEWAY_CLEARING


@pytest.fixture(autouse=True)
def secrets(sandbox: Sandbox, settings: Settings) -> None:
    settings.SANDBOX_WEBHOOK_SECRETS = ["whsec_sandbox"]


def history_of(sandbox: Sandbox, saga: SagaExecution) -> dict[str, bytes]:
    """What the gateway tells of a charge that was captured, partly refunded, disputed and won back."""
    charge = charge_at_the_sandbox(sandbox, saga)
    done = {operation["operation"]: operation for operation in charge["operations"]}
    dispute = {
        "id": f"sdp_{charge['id']}", "operation": "dispute", "amount": TOTAL, "currency": "USD", "status": "succeeded",
        "idempotency_key": None, "at": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return {
        "charge.authorized": event("charge.authorized", charge, done["authorize"]),
        "charge.captured": event("charge.captured", charge, done["capture"]),
        "charge.refunded": event("charge.refunded", charge, done["refund"]),
        "refund.failed": event("refund.failed", charge, done["refund"], status="failed"),
        "dispute.opened": event("dispute.opened", charge, dispute),
        "dispute.won": event("dispute.won", charge, dispute),
        "dispute.lost": event("dispute.lost", charge, dispute),
    }


def balance(charge: ChargeAttempt) -> int:
    """What the gateway owes us for this charge, by the ledger."""
    sums = charge.postings.aggregate(
        taken=Sum("amount_minor", filter=Q(debit=CLEARING), default=0),
        given=Sum("amount_minor", filter=Q(credit=CLEARING), default=0),
    )
    return int(sums["taken"] - sums["given"])


def paid_and_partly_refunded(api: Api) -> SagaExecution:
    order = make_order(api.user)
    saga = run_checkout(order)
    body = {"amount": REFUNDED, "reason": "Came back."}
    assert api.post(f"charges/{charge_of(saga).public_id}/refunds", body).status_code == 201
    return saga


def end_of(saga: SagaExecution) -> dict[str, Any]:
    charge = charge_of(saga)
    dispute = Dispute.objects.filter(charge=charge).first()
    return {
        "charge": (charge.status, charge.captured_minor, charge.refunded_minor, charge.refund_pending_minor),
        "refund": list(Refund.objects.filter(charge=charge).values_list("status", flat=True)),
        "dispute": (dispute.status, dispute.is_withdrawn) if dispute else None,
        "order": (order_of(saga).status, order_of(saga).paid_minor),
        "balance": balance(charge),
        "events": {row.status for row in WebhookEvent.objects.filter(charge=charge)},
        "remedies": SagaExecution.objects.filter(definition="remedy", order=saga.order_id).count(),
    }


def test_every_order_of_five_events_ends_as_the_gateway_has_it(sandbox: Sandbox) -> None:
    api = Api(make_client())
    for kinds in permutations(KINDS):
        saga = paid_and_partly_refunded(api)
        told = history_of(sandbox, saga)

        for kind in kinds:
            assert deliver(told[kind]).status_code == 200
            act_on_all()

        assert end_of(saga) == {
            "charge": ("captured", TOTAL, 0, 0),
            "refund": ["failed"],
            "dispute": ("won", False),
            "order": ("completed", TOTAL),
            "balance": TOTAL,
            "events": {"processed"},
            "remedies": 0,
        }, (kinds, charge_at_the_sandbox(sandbox, saga)["operations"], list(charge_of(saga).outcomes.values()))


def test_every_order_of_a_lost_dispute_ends_lost(sandbox: Sandbox) -> None:
    api = Api(make_client())
    for kinds in permutations(("charge.captured", "charge.refunded", "dispute.opened", "dispute.won", "dispute.lost")):
        saga = paid_and_partly_refunded(api)
        told = history_of(sandbox, saga)

        for kind in kinds:
            deliver(told[kind])
            act_on_all()

        assert end_of(saga)["dispute"] == ("lost", True), kinds
        assert end_of(saga)["balance"] == TOTAL - REFUNDED - TOTAL, kinds


def test_events_that_come_all_at_once_end_the_same(sandbox: Sandbox) -> None:
    api = Api(make_client())
    saga = paid_and_partly_refunded(api)
    for body in reversed(history_of(sandbox, saga).values()):
        deliver(body)

    act_on_all()

    assert end_of(saga)["dispute"] == ("lost", True)
    assert end_of(saga)["refund"] == ["failed"]


@pytest.mark.parametrize("kinds", list(permutations(("charge.authentication_succeeded", "charge.authorized"))))
def test_however_a_challenge_is_reported_its_checkout_goes_on(sandbox: Sandbox, kinds: tuple[str, ...]) -> None:
    saga = run_checkout(payment_method="tok_3ds")
    reference = charge_of(saga).gateway_reference
    sandbox.post(f"/3ds/{reference}/approve")
    charge = charge_at_the_sandbox(sandbox, saga)

    for kind in kinds:
        deliver(event(kind, charge, charge["operations"][0]))
        act_on_all()
    advance(saga)

    assert (order_of(saga).status, charge_of(saga).status) == ("completed", "captured")


def test_an_event_of_the_past_never_moves_a_charge_backwards(sandbox: Sandbox) -> None:
    saga = paid_and_partly_refunded(Api(make_client()))

    deliver(history_of(sandbox, saga)["charge.authorized"])
    act_on_all()

    assert charge_of(saga).status == "captured"
    assert WebhookEvent.objects.get().status == "processed"
