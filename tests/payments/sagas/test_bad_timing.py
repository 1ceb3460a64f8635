"""Orders of events that nobody plans for: each of these once took money, or a parcel, the wrong way."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from fraud.models import Decision, ReviewCase
from orders.models import Order
from payments.gateways.sandbox import SandboxCarrier, SandboxGateway
from payments.models import ChargeAttempt, GatewayOutcome, LedgerPosting, Refund, SagaExecution, WebhookEvent
from payments.sagas import engine, leases
from payments.webhooks import inbox
from tests.orders.builders import make_client, make_order
from tests.payments.builders import (
    LONG_AGO,
    Api,
    advance,
    begin_checkout,
    charge_of,
    end_sending,
    exchange,
    make_due,
    order_of,
    run_checkout,
)
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def operator(sandbox: Sandbox) -> Api:
    return Api(make_client(group="Operator"))


def reject(operator: Api, saga: SagaExecution) -> None:
    decision = Decision.objects.get(attempt=saga.public_id, stage="after_authorization")
    body = {"verdict": "reject", "note": "Stolen."}
    assert operator.post(f"fraud/decisions/{decision.public_id}/review", body).status_code == 200


def done(sandbox: Sandbox, saga: SagaExecution) -> list[str]:
    """What really happened at gateway and carrier."""
    order = order_of(saga).public_id
    return [
        entry["operation"]
        for entry in sandbox.journal()
        if entry["order"] == order
        and (entry["result"], entry["replayed"]) == ("succeeded", False)
        and entry["operation"] != "look_up"
    ]


def tell(saga: SagaExecution, kind: str, data: dict[str, Any]) -> WebhookEvent:
    """An event that has come in, acted on."""
    name = f"evt_{WebhookEvent.objects.count()}"
    body = json.dumps({"id": name, "type": kind, "data": data})
    WebhookEvent.objects.create(gateway="sandbox", event_id=name, kind=kind, body=body)
    assert inbox.apply_next()
    return WebhookEvent.objects.get(event_id=name)


def give_up_on_unknown(saga: SagaExecution, sandbox: Sandbox) -> SagaExecution:
    """A day goes by in which nobody can say what became of the call in hand."""
    SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() - LONG_AGO)
    saga = advance(saga)
    sandbox.clear_faults()
    return saga


@pytest.mark.parametrize(("operation", "exchanges"), [("capture", 2), ("ship", 3)])
def test_a_rejection_while_the_checkout_is_still_under_way_is_heard(
    operator: Api, sandbox: Sandbox, settings: Any, operation: str, exchanges: int
) -> None:
    settings.FRAUD_REVIEW_MODE = "post_charge"
    saga = begin_checkout(make_order(), "tok_avs_partial")
    sandbox.fault("status_429", operation=operation, times=1)
    exchange(saga, times=exchanges)

    reject(operator, saga)

    saga = advance(saga)
    assert (saga.state, order_of(saga).status, order_of(saga).paid_minor) == ("compensated", "payment_failed", 0)
    assert "ship" not in done(sandbox, saga)


def test_a_rejection_stands_when_the_review_mode_changes_meanwhile(
    operator: Api, sandbox: Sandbox, settings: Any
) -> None:
    saga = run_checkout(payment_method="tok_avs_partial")
    reject(operator, saga)
    settings.FRAUD_REVIEW_MODE = "post_charge"

    saga = advance(saga)

    assert (saga.state, done(sandbox, saga)) == ("compensated", ["authorize", "void"])


def test_a_refund_nobody_waits_for_and_nobody_makes_is_for_a_person(
    operator: Api, sandbox: Sandbox, settings: Any
) -> None:
    settings.FRAUD_REVIEW_MODE = "post_charge"
    saga = run_checkout(payment_method="tok_avs_partial")
    reject(operator, saga)
    sandbox.fault("status_429", operation="refund")
    refund = SagaExecution.objects.get(definition="refund")

    while refund.state in SagaExecution.ACTIVE:
        refund = advance(refund)

    assert (refund.state, Refund.objects.get().status) == ("needs_attention", "failed")
    assert charge_of(saga).refundable_minor == charge_of(saga).captured_minor


@pytest.mark.parametrize("payment_method", ["tok_visa", "tok_avs_partial", "tok_declined"])
def test_a_second_authorization_told_by_webhook_is_voided(sandbox: Sandbox, payment_method: str) -> None:
    saga = run_checkout(payment_method=payment_method)
    charge = charge_of(saga)
    stray = sandbox.post(
        "/v1/charges",
        {"order": order_of(saga).public_id, "amount": charge.amount_minor, "currency": charge.currency}
        | {"payment_method": "tok_visa"},
        key=f"{saga.public_id}:authorize_payment:do:1",
    ).json()

    assert tell(saga, "charge.authorized", stray).status == "processed"

    remedy = advance(SagaExecution.objects.get(definition="remedy"))
    found = sandbox.get(f"/v1/charges/{stray['charge']['id']}").json()["charge"]
    assert (remedy.state, found["status"]) == ("completed", "voided")


@pytest.mark.parametrize(("peer", "operation"), [(SandboxCarrier, "ship"), (SandboxGateway, "authorize")])
def test_a_sender_that_was_frozen_and_wakes_up_late_does_nothing_twice(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, peer: type, operation: str
) -> None:
    saga = begin_checkout(make_order())
    send = getattr(peer, operation)
    frozen: list[bool] = []

    def frozen_once(self: Any, request: Any) -> Any:
        if not frozen:
            frozen.append(True)
            end_sending(saga)
            make_due(saga)
            sandbox.fault("status_500", operation=operation, times=1)
            assert engine.advance(saga.pk, owner="worker:awake")
        return send(self, request)

    monkeypatch.setattr(peer, operation, frozen_once)

    engine.advance(saga.pk, owner="worker:frozen")

    saga.refresh_from_db()
    assert (saga.state, done(sandbox, saga)) == ("completed", ["authorize", "capture", "ship"])


@pytest.mark.parametrize("operation", ["authorize", "ship"])
def test_an_answer_nobody_can_read_keeps_its_key_even_where_the_look_up_lies(sandbox: Sandbox, operation: str) -> None:
    saga = begin_checkout(make_order())
    sandbox.fault("garbage", operation=operation, times=1)
    sandbox.fault("lagging_look_up", seconds=30, times=1)

    saga = advance(saga)

    assert (saga.state, done(sandbox, saga)) == ("completed", ["authorize", "capture", "ship"])


@pytest.mark.parametrize("operation", ["authorize", "capture", "refund"])
def test_what_the_gateway_did_with_another_amount_is_a_fact_in_suspense(sandbox: Sandbox, operation: str) -> None:
    sandbox.fault("wrong_amount", operation=operation, times=1)

    saga = run_checkout(make_order(postal_code="99999" if operation == "refund" else "10001"))

    assert saga.state == "needs_attention"
    assert GatewayOutcome.objects.filter(operation=operation).count() == 1
    assert charge_of(saga).gateway_reference
    suspense = LedgerPosting.objects.filter(kind=operation)
    assert [{posting.debit, posting.credit} for posting in suspense] == (
        [] if operation == "authorize" else [{"gateway_clearing", "suspense"}]
    )


def test_a_refund_found_out_by_webhook_after_a_person_was_called_is_booked(sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order(postal_code="99999"))
    sandbox.fault("drop_after", operation="refund", times=1)
    sandbox.fault("status_500", operation="look_up")
    saga = give_up_on_unknown(advance(saga), sandbox)
    assert (saga.state, Refund.objects.get().status) == ("needs_attention", "unknown")
    charge = sandbox.get(f"/v1/charges/{charge_of(saga).gateway_reference}").json()["charge"]

    event = tell(saga, "charge.refunded", {"charge": charge, "operation": charge["operations"][-1]})

    assert (event.status, Refund.objects.get().status, order_of(saga).paid_minor) == ("processed", "succeeded", 0)
    assert list(LedgerPosting.objects.order_by("id").values_list("kind", flat=True)) == ["capture", "refund"]


def test_a_refund_made_elsewhere_is_in_suspense_and_in_front_of_a_person(sandbox: Sandbox) -> None:
    saga = run_checkout()
    reference = charge_of(saga).gateway_reference
    made = sandbox.post(f"/v1/charges/{reference}/refunds", {"amount": 100}, key="by hand").json()

    event = tell(saga, "charge.refunded", made)

    assert (event.status, "nobody here asked" in event.error) == ("failed", True)
    assert LedgerPosting.objects.get(kind="refund").debit == "suspense"


def test_a_challenge_found_out_too_late_is_cancelled_at_the_gateway(sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order(), "tok_3ds")
    sandbox.fault("drop_after", operation="authorize", times=1)
    sandbox.fault("status_500", operation="look_up")
    advance(saga)
    SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() - LONG_AGO)
    sandbox.clear_faults()

    saga = advance(saga)

    assert (saga.state, charge_of(saga).status) == ("compensated", "voided")
    assert run_checkout(order_of(saga)).state == "completed"


def test_a_customer_has_half_an_hour_however_long_the_question_was_open(sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order(), "tok_3ds")
    sandbox.fault("drop_after", operation="authorize", times=1)
    sandbox.fault("status_500", operation="look_up")
    advance(saga)
    sandbox.clear_faults()

    saga = advance(saga)

    assert saga.waiting_for == "customer_action"
    assert saga.deadline_at is not None
    assert saga.deadline_at - saga.created_at < timedelta(minutes=31)


def test_a_customer_nobody_can_ask_about_is_for_a_person_in_the_end(sandbox: Sandbox) -> None:
    saga = run_checkout(payment_method="tok_3ds")
    SagaExecution.objects.filter(pk=saga.pk).update(deadline_at=Now() - timedelta(days=2))
    sandbox.fault("status_500", operation="look_up")

    assert advance(saga).state == "needs_attention"


@pytest.mark.parametrize(
    ("operation", "exchanges", "happened"),
    [("authorize", 1, []), ("capture", 2, ["authorize", "void"]), ("ship", 3, ["authorize", "capture", "refund"])],
)
def test_a_cancellation_is_asked_for_again_before_anything_is_sent_again(
    sandbox: Sandbox, operation: str, exchanges: int, happened: list[str]
) -> None:
    api = Api()
    order = api.order()
    saga = begin_checkout(order)
    sandbox.fault("status_429", operation=operation, times=1)
    exchange(saga, times=exchanges)
    assert api.post(f"orders/{order.public_id}/cancel").status_code == 200

    saga = advance(saga)

    assert (saga.state, order_of(saga).status, done(sandbox, saga)) == ("compensated", "cancelled", happened)


def test_an_order_declined_after_its_cancellation_is_cancelled(sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order(), "tok_declined")
    engine.advance(saga.pk, owner="worker:first", should_stop=lambda: True)
    Order.objects.filter(pk=saga.order_id).update(cancel_requested_at=Now())

    assert order_of(advance(saga)).status == "cancelled"


def test_a_capture_told_before_its_authorization_waits_for_it(sandbox: Sandbox) -> None:
    saga = begin_checkout(make_order())
    sandbox.fault("drop_after", operation="authorize", times=1)
    sandbox.fault("status_500", operation="look_up")
    saga = give_up_on_unknown(advance(saga), sandbox)
    reference = next(entry["charge"] for entry in sandbox.journal() if entry["order"] == order_of(saga).public_id)
    authorization = sandbox.get(f"/v1/charges/{reference}").json()["charge"]["operations"][0]
    captured = sandbox.post(f"/v1/charges/{reference}/capture", {}, key=f"{saga.public_id}:by-hand:do:0").json()

    early = tell(saga, "charge.captured", captured)
    tell(saga, "charge.authorized", {"charge": captured["charge"], "operation": authorization})
    assert early.status == "received"
    WebhookEvent.objects.filter(pk=early.pk).update(next_attempt_at=Now() - LONG_AGO)
    assert inbox.apply_next()

    assert (charge_of(saga).status, order_of(saga).is_paid) == ("captured", True)
    assert not SagaExecution.objects.filter(definition="remedy").exists()


def test_workers_that_die_now_and_then_while_a_customer_takes_his_time_call_nobody(sandbox: Sandbox) -> None:
    saga = run_checkout(payment_method="tok_3ds")

    for _ in range(engine.MAX_RECOVERIES + 1):
        make_due(saga)
        assert leases.claim(saga.pk, owner="worker:dying")
        saga = advance(saga)

    assert (saga.state, saga.waiting_for) == ("waiting", "customer_action")


def test_a_decision_that_no_checkout_made_has_no_review(operator: Api) -> None:
    decision = Decision.objects.create(
        order=make_order(), attempt="imported", stage="before_authorization", decision="review", score=60,
        ruleset_version=1, verdicts=[], context={}, latency_us=1,
    )  # fmt: skip
    body = {"verdict": "reject", "note": "x"}

    answer = operator.post(f"fraud/decisions/{decision.public_id}/review", body)

    assert (answer.status_code, answer.json()["code"]) == (409, "review_closed")
    assert not ReviewCase.objects.exists()
    assert not ChargeAttempt.objects.exists()
