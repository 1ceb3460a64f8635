from typing import Any

import pytest

from fraud.models import Decision, ReviewCase
from payments.models import LedgerPosting, SagaExecution
from payments.sagas import engine
from tests.orders.builders import make_client
from tests.payments.builders import WORKER, Api, charge_of, make_due, order_of, run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def operator(sandbox: Sandbox) -> Api:
    return Api(make_client(group="Operator"))


@pytest.fixture
def parked(sandbox: Sandbox) -> SagaExecution:
    return run_checkout(payment_method="tok_avs_partial")


def decision_of(saga: SagaExecution) -> Decision:
    return Decision.objects.get(attempt=saga.public_id, stage="after_authorization")


def give(api: Api, saga: SagaExecution, verdict: str = "approve", **headers: Any) -> Any:
    body = {"verdict": verdict, "note": "Spoke to the customer."}
    return api.post(f"fraud/decisions/{decision_of(saga).public_id}/review", body, **headers)


def carry_on(saga: SagaExecution) -> None:
    assert engine.advance(saga.pk, owner=WORKER)
    saga.refresh_from_db()


def test_an_approval_captures_and_ships(operator: Api, parked: SagaExecution) -> None:
    answer = give(operator, parked)

    assert (answer.status_code, answer.json()["id"]) == (200, decision_of(parked).public_id)
    carry_on(parked)
    assert (parked.state, order_of(parked).status, charge_of(parked).status) == ("completed", "completed", "captured")
    case = ReviewCase.objects.get()
    assert (case.outcome, case.closed_by, case.note) == ("approved", operator.user, "Spoke to the customer.")


def test_a_rejection_voids_and_captures_nothing(operator: Api, parked: SagaExecution) -> None:
    assert give(operator, parked, "reject").status_code == 200

    carry_on(parked)
    assert (parked.state, order_of(parked).status) == ("compensated", "payment_failed")
    assert charge_of(parked).status == "voided"
    assert not LedgerPosting.objects.exists()


def test_of_two_verdicts_the_first_stands(operator: Api, parked: SagaExecution) -> None:
    give(operator, parked, "reject")

    second = give(Api(make_client(group="Fraud analyst")), parked, "approve")

    assert (second.status_code, second.json()["code"]) == (409, "review_closed")
    assert ReviewCase.objects.get().outcome == "rejected"


def test_the_same_verdict_sent_twice_is_given_once(operator: Api, parked: SagaExecution) -> None:
    first, second = (give(operator, parked, key="the-same") for _ in range(2))

    assert (first.content, second.status_code) == (second.content, 200)
    assert second.headers["Idempotent-Replayed"] == "true"


def test_a_decision_nobody_has_to_confirm_has_no_review(operator: Api, sandbox: Sandbox) -> None:
    answer = give(operator, run_checkout())

    assert (answer.status_code, answer.json()["code"]) == (409, "review_closed")


@pytest.mark.parametrize(
    "body", [{}, {"verdict": "approve"}, {"verdict": "maybe", "note": "x"}, {"verdict": 1, "note": 1}]
)
def test_a_verdict_is_one_of_two_and_has_a_reason(operator: Api, parked: SagaExecution, body: Any) -> None:
    answer = operator.post(f"fraud/decisions/{decision_of(parked).public_id}/review", body)

    assert answer.status_code == 422
    assert ReviewCase.objects.get().state == "open"


def test_a_client_may_not_decide_about_its_own_payment(parked: SagaExecution) -> None:
    answer = give(Api(order_of(parked).client), parked)

    assert answer.status_code == 403
    assert ReviewCase.objects.get().state == "open"


def test_a_rejection_after_shipment_gives_the_money_back(operator: Api, sandbox: Sandbox, settings: Any) -> None:
    settings.FRAUD_REVIEW_MODE = "post_charge"
    saga = run_checkout(payment_method="tok_avs_partial")
    assert (saga.state, ReviewCase.objects.get().state) == ("completed", "open")

    assert give(operator, saga, "reject").status_code == 200

    refund = SagaExecution.objects.get(definition="refund")
    make_due(refund)
    carry_on(refund)
    charge = charge_of(saga)
    assert (refund.state, charge.refunded_minor, order_of(saga).paid_minor) == ("completed", charge.amount_minor, 0)
    assert [posting.kind for posting in LedgerPosting.objects.order_by("id")] == ["capture", "refund"]
