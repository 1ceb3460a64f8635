from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from payments.models import ChargeAttempt, LedgerPosting, Refund, SagaExecution
from payments.sagas import engine
from tests.orders.builders import make_client
from tests.payments.builders import WORKER, Api, make_due
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api(sandbox: Sandbox) -> Api:
    return Api()


@pytest.fixture
def charge(api: Api) -> ChargeAttempt:
    """25.00 captured."""
    return paid(api)


def paid(api: Api, payment_method: str = "tok_visa") -> ChargeAttempt:
    order = api.order(quantity=2, unit_amount_minor=12_50)
    assert api.checkout(order, payment_method).status_code == 201
    return ChargeAttempt.objects.get(order=order)


def refund(api: Api, charge: ChargeAttempt, amount: Any = None, **headers: Any) -> Any:
    body = {"reason": "Came back broken."} | ({} if amount is None else {"amount": amount})
    return api.post(f"charges/{charge.public_id}/refunds", body, **headers)


def made_at(sandbox: Sandbox, charge: ChargeAttempt) -> list[dict[str, Any]]:
    return [entry for entry in sandbox.effective("refund") if entry["charge"] == charge.gateway_reference]


def left(charge: ChargeAttempt) -> tuple[int, int, int]:
    charge.refresh_from_db()
    return charge.refunded_minor, charge.refund_pending_minor, charge.order.__class__.objects.get().paid_minor


def test_without_an_amount_everything_goes_back(api: Api, charge: ChargeAttempt, sandbox: Sandbox) -> None:
    answer = refund(api, charge)

    body = answer.json()
    assert (answer.status_code, body["status"], body["amount"], body["charge"]) == (
        201, "succeeded", 25_00, charge.public_id,
    )  # fmt: skip
    assert answer.headers["Location"] == f"/v1/refunds/{body['id']}"
    assert left(charge) == (25_00, 0, 0)
    assert [
        entry["amount"] for entry in sandbox.effective("refund") if entry["charge"] == charge.gateway_reference
    ] == [25_00]
    assert [posting.kind for posting in LedgerPosting.objects.order_by("id")] == ["capture", "refund"]


def test_parts_go_back_until_nothing_is_left(api: Api, charge: ChargeAttempt) -> None:
    answers = [refund(api, charge, amount) for amount in (10_00, 10_00, 10_00, 5_00, 1)]

    assert [answer.status_code for answer in answers] == [201, 201, 409, 201, 409]
    assert answers[2].json()["code"] == answers[4].json()["code"] == "refund_exceeds_captured"
    assert left(charge) == (25_00, 0, 0)
    assert refund(api, charge).json()["code"] == "refund_exceeds_captured"


def test_the_same_key_gives_the_same_refund(api: Api, charge: ChargeAttempt) -> None:
    first, second = (refund(api, charge, 5_00, key="the-same") for _ in range(2))

    assert (first.content, second.headers["Idempotent-Replayed"]) == (second.content, "true")
    assert left(charge)[0] == 5_00


def test_of_refunds_at_once_no_more_than_was_captured_goes_back(api: Api, charge: ChargeAttempt) -> None:
    def one(_: int) -> int:
        try:
            status: int = refund(Api(api.user), charge, 10_00).status_code
            return status
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(one, range(4)))

    assert statuses == [201, 201, 409, 409]
    assert left(charge) == (20_00, 0, 5_00)


def test_a_refund_the_gateway_refuses_gives_its_amount_free_again(api: Api) -> None:
    charge = paid(api, "tok_refund_fails")

    answer = refund(api, charge)

    assert (answer.status_code, answer.json()["code"]) == (409, "refund_refused")
    assert left(charge) == (0, 0, 25_00)
    assert Refund.objects.get().status == "failed"
    assert SagaExecution.objects.get(definition="refund").state == "compensated"


def test_a_refund_whose_answer_is_lost_is_found_and_made_once(
    api: Api, charge: ChargeAttempt, sandbox: Sandbox
) -> None:
    sandbox.fault("drop_after", operation="refund", times=1)

    answer = refund(api, charge)

    assert (answer.status_code, left(charge)) == (201, (25_00, 0, 0))
    assert len(made_at(sandbox, charge)) == 1


def test_a_refund_not_waited_for_is_202_then_the_final_answer(api: Api, charge: ChargeAttempt) -> None:
    first = refund(api, charge, key="later", Prefer="respond-async")
    assert (first.status_code, first.json()["status"]) == (202, "pending")
    assert left(charge)[1] == 25_00
    saga = SagaExecution.objects.get(definition="refund")
    make_due(saga)

    assert engine.advance(saga.pk, owner=WORKER)

    again = refund(api, charge, key="later")
    assert (again.status_code, again.json()["status"]) == (201, "succeeded")


@pytest.mark.parametrize(
    "body",
    [{}, {"reason": ""}, {"reason": "x", "amount": 0}, {"reason": "x", "amount": "5"}, {"reason": "x", "all": True}],
)
def test_bad_input_gives_nothing_back(api: Api, charge: ChargeAttempt, body: Any) -> None:
    assert api.post(f"charges/{charge.public_id}/refunds", body).status_code == 422

    assert not Refund.objects.exists()


def test_nothing_is_refunded_while_the_checkout_is_open(api: Api) -> None:
    order = api.order()
    api.checkout(order, "tok_avs_partial")

    answer = refund(api, ChargeAttempt.objects.get(order=order))

    assert (answer.status_code, answer.json()["code"]) == (409, "checkout_open")


def test_another_clients_charge_is_not_found(charge: ChargeAttempt) -> None:
    assert refund(Api(), charge).status_code == 404


def test_who_may_only_read_may_not_refund(charge: ChargeAttempt) -> None:
    assert refund(Api(make_client(group="Auditor")), charge).status_code == 403


def test_refunds_are_listed_and_shown_to_their_client_alone(api: Api, charge: ChargeAttempt) -> None:
    made = refund(api, charge, 5_00).json()

    assert api.get("refunds").json()["results"] == [made]
    assert api.get("refunds", charge=charge.public_id).json()["results"] == [made]
    assert api.get("refunds", charge="ch_nonsense").status_code == 422
    assert api.get(f"refunds/{made['id']}").json() == made
    stranger = Api()
    assert stranger.get("refunds").json()["results"] == []
    assert stranger.get(f"refunds/{made['id']}").status_code == 404
