"""A customer's bank takes a payment back: what Paydesk knows of it, books for it, and refuses meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from payments import disputes
from payments.errors import DisputeAnsweredError
from payments.gateways.base import DisputeReport
from payments.models import ChargeAttempt, ClientEvent, Dispute, LedgerPosting
from tests.orders.builders import make_client, make_order
from tests.payments.builders import Api, charge_of, run_checkout
from tests.payments.webhooks.deliveries import act_on_all, charge_at_the_sandbox, deliver, event
from tests.processes import wait_until
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

Account = LedgerPosting.Account


@pytest.fixture
def api() -> Api:
    return Api(make_client())


@pytest.fixture
def charge(api: Api, sandbox: Sandbox) -> ChargeAttempt:
    return charge_of(run_checkout(make_order(api.user)))


def tell(charge: ChargeAttempt, status: str = "open", **facts: Any) -> Dispute:
    fields = {"dispute": "sdp_1", "amount_minor": 25_00, "currency": "USD", **facts}
    disputes.record_dispute(charge, DisputeReport(reference=charge.gateway_reference, status=status, **fields))
    return Dispute.objects.get(charge=charge, gateway_reference=fields["dispute"])


def booked(charge: ChargeAttempt) -> list[tuple[str, str, str]]:
    """The postings since the capture."""
    rows = charge.postings.exclude(kind="capture").order_by("pk")
    return list(rows.values_list("kind", "debit", "credit"))


def test_what_a_dispute_takes_is_booked_and_what_is_won_comes_back(charge: ChargeAttempt) -> None:
    assert tell(charge).is_withdrawn
    assert booked(charge) == [("dispute", Account.DISPUTES, Account.GATEWAY_CLEARING)]

    assert not tell(charge, "won").is_withdrawn
    assert booked(charge)[1:] == [("reversal", Account.GATEWAY_CLEARING, Account.DISPUTES)]


def test_a_dispute_told_twice_is_booked_once(charge: ChargeAttempt) -> None:
    tell(charge)
    assert not disputes.record_dispute(charge, DisputeReport("sdp_1", charge.gateway_reference, "open", 25_00, "USD"))

    assert len(booked(charge)) == 1


def test_an_inquiry_takes_nothing_until_it_becomes_a_dispute(charge: ChargeAttempt) -> None:
    assert not tell(charge, is_withdrawn=False).is_withdrawn
    assert booked(charge) == []

    assert tell(charge, is_withdrawn=True).is_withdrawn
    assert len(booked(charge)) == 1


def test_an_inquiry_that_is_dropped_has_moved_nothing(charge: ChargeAttempt) -> None:
    tell(charge, is_withdrawn=False)

    assert tell(charge, "won", is_withdrawn=False).status == "won"
    assert booked(charge) == []


def test_a_dispute_that_is_opened_again_and_lost_takes_the_money_a_second_time(charge: ChargeAttempt) -> None:
    for status in ("open", "won", "lost"):
        tell(charge, status)

    names = charge.postings.filter(kind="dispute").order_by("pk").values_list("transaction_id", flat=True)
    assert list(names) == ["sdp_1", "sdp_1:again"]
    assert Dispute.objects.get().is_withdrawn


def test_what_a_later_event_knows_completes_an_earlier_one(charge: ChargeAttempt) -> None:
    assert tell(charge).reason == ""

    assert tell(charge, reason="fraudulent").reason == "fraudulent"


@pytest.mark.parametrize(
    ("told", "refund", "expected"),
    [
        ([("open", {})], 1, (409, "charge_disputed")),
        ([("open", {"is_withdrawn": False})], 1, (409, "charge_disputed")),
        ([("open", {}), ("won", {})], 25_00, (201, None)),
        ([("lost", {"amount_minor": 10_00})], 15_01, (409, "charge_disputed")),
        ([("lost", {"amount_minor": 10_00})], 15_00, (201, None)),
    ],
)
def test_what_may_be_on_its_way_back_is_not_refunded(
    api: Api, charge: ChargeAttempt, told: list[tuple[str, Any]], refund: int, expected: tuple[int, str | None]
) -> None:
    for status, facts in told:
        tell(charge, status, **facts)

    answer = api.post(f"charges/{charge.public_id}/refunds", {"amount": refund, "reason": "Came back."})

    assert (answer.status_code, answer.json().get("code")) == expected


def test_a_client_is_told_how_its_disputes_go(charge: ChargeAttempt) -> None:
    for status in ("open", "open", "won"):
        dispute = tell(charge, status)

    told = ClientEvent.objects.filter(subject=dispute.public_id).order_by("sequence")
    assert [event.kind for event in told] == ["dispute.open", "dispute.won"]
    assert told[0].data["charge"] == charge.public_id


def test_a_client_reads_its_own_disputes_alone(api: Api, charge: ChargeAttempt) -> None:
    dispute = tell(charge, reason="fraudulent")

    (shown,) = api.get("disputes", charge=charge.public_id, status="open").json()["results"]

    assert shown == api.get(f"disputes/{dispute.public_id}").json()
    assert (shown["amount"], shown["reason"], shown["charge"]) == (25_00, "fraudulent", charge.public_id)
    assert Api(make_client()).get(f"disputes/{dispute.public_id}").status_code == 404


def test_an_answer_is_noted_once(charge: ChargeAttempt) -> None:
    dispute, analyst = tell(charge), make_client()
    disputes.take(dispute, analyst)
    disputes.note_answer(dispute, "Sent the proof of delivery.", by=analyst)

    assert not Dispute.objects.unanswered().exists()
    with pytest.raises(DisputeAnsweredError):
        disputes.take(dispute, analyst)
    with pytest.raises(DisputeAnsweredError):
        disputes.note_answer(dispute, "a", by=analyst)
    dispute.refresh_from_db()
    assert (dispute.owner, dispute.answer_note) == (analyst, "Sent the proof of delivery.")


@pytest.mark.parametrize("verdict", ["won", "lost"])
def test_the_sandbox_opens_a_dispute_and_closes_it(sandbox: Sandbox, settings: Settings, verdict: str) -> None:
    settings.SANDBOX_WEBHOOK_SECRETS = ["whsec_sandbox"]
    saga = run_checkout(payment_method="tok_dispute")
    wait_until(lambda: charge_at_the_sandbox(sandbox, saga)["disputed"])
    tell_latest = _teller(sandbox, saga)
    tell_latest("dispute.opened")
    opened = Dispute.objects.get()
    assert (opened.status, opened.amount_minor, opened.reason) == ("open", 25_00, "fraudulent")
    assert opened.evidence_due_at is not None

    answer = sandbox.post(f"/disputes/{charge_of(saga).gateway_reference}", {"status": verdict})
    assert answer.status == 200
    tell_latest(f"dispute.{verdict}")

    closed = Dispute.objects.get()
    assert (closed.status, closed.is_withdrawn) == (verdict, verdict == "lost")


def _teller(sandbox: Sandbox, saga: Any) -> Callable[[str], None]:
    def tell_latest(kind: str) -> None:
        charge = charge_at_the_sandbox(sandbox, saga)
        dispute = next(each for each in charge["operations"] if each["operation"] == "dispute")
        assert deliver(event(kind, charge, dispute)).status_code == 200
        act_on_all()

    return tell_latest
