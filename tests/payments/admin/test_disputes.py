from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from payments.alerts import watchers
from payments.models import Dispute
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_client
from tests.payments.builders import charge_of, run_checkout
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

LIST, PAGE = "payments_dispute_changelist", "payments_dispute_change"
TAKE, ANSWER = "payments_dispute_take", "payments_dispute_answer"


@pytest.fixture
def desk() -> Office:
    return Office(groups=("Operator",))


def make_dispute(name: str = "sdp_1", *, due_in: timedelta = timedelta(days=7), **fields: object) -> Dispute:
    charge = charge_of(run_checkout())
    row = {"reason": "fraudulent", "currency": "USD", "amount_minor": 25_00, **fields}
    due = timezone.now() + due_in
    return Dispute.objects.create(charge=charge, gateway="sandbox", gateway_reference=name, evidence_due_at=due, **row)


def test_the_queue_has_what_is_unanswered_the_most_urgent_first(desk: Office, sandbox: Sandbox) -> None:
    later, sooner = make_dispute(), make_dispute("sdp_2", due_in=timedelta(hours=1))
    undated = make_dispute("sdp_5")
    Dispute.objects.filter(pk=undated.pk).update(evidence_due_at=None)
    closed = make_dispute("sdp_3", status="won")
    answered = make_dispute("sdp_4", answered_at=timezone.now())

    html = desk.page(LIST)

    assert html.index(sooner.public_id) < html.index(later.public_id) < html.index(undated.public_id)
    assert closed.public_id not in html
    assert answered.public_id not in html
    assert closed.public_id in desk.page(LIST, queue="won")
    assert answered.public_id in desk.page(LIST, queue="all")


def test_a_dispute_is_taken_over_and_answered_with_a_note(desk: Office, sandbox: Sandbox) -> None:
    dispute = make_dispute()
    assert "Nobody sees to it yet" in desk.page(PAGE, dispute.public_id)

    desk.post(TAKE, dispute.public_id)
    assert f"{desk.user} sees to it" in desk.page(PAGE, dispute.public_id)
    assert dispute.public_id in desk.page(LIST, queue="mine")
    desk.post(ANSWER, dispute.public_id, note="Sent the proof of delivery.")

    dispute.refresh_from_db()
    assert (dispute.owner, dispute.answer_note) == (desk.user, "Sent the proof of delivery.")
    assert dispute.answered_at is not None
    told = LogEntry.objects.filter(object_id=dispute.pk).order_by("pk").values_list("change_message", flat=True)
    assert [message for message in told if "proof of delivery" in message]
    assert "Take over" not in desk.page(PAGE, dispute.public_id)


def test_a_charge_shows_its_disputes(desk: Office, sandbox: Sandbox) -> None:
    dispute = make_dispute(answered_at=timezone.now())

    html = desk.page("payments_chargeattempt_change", dispute.charge_id)

    assert dispute.public_id in html
    assert "answered" in html


def test_an_answer_without_a_note_is_not_noted(desk: Office, sandbox: Sandbox) -> None:
    dispute = make_dispute()

    assert "Nothing was noted" in desk.post(ANSWER, dispute.public_id, note=" ").content.decode()
    dispute.refresh_from_db()
    assert dispute.answered_at is None


def test_what_is_over_is_not_answered_any_more(desk: Office, sandbox: Sandbox) -> None:
    dispute = make_dispute(status="lost")

    html = desk.post(ANSWER, dispute.public_id, note="Too late.").content.decode()

    assert "answered already, or is over" in html
    dispute.refresh_from_db()
    assert dispute.answer_note == ""


def test_looking_at_a_button_does_nothing(desk: Office, sandbox: Sandbox) -> None:
    dispute = make_dispute()

    for name in (TAKE, ANSWER):
        assert desk.get(name, dispute.public_id).status_code == 302
    dispute.refresh_from_db()
    assert (dispute.owner, dispute.answered_at) == (None, None)


def test_who_may_only_look_does_not_answer(sandbox: Sandbox) -> None:
    dispute = make_dispute()
    auditor = Office(ALL_CLIENTS, "payments.view_dispute")

    assert "Take over" not in auditor.page(PAGE, dispute.public_id)
    for name in (TAKE, ANSWER):
        assert auditor.post(name, dispute.public_id, note="a").status_code == 403


def test_a_dispute_that_is_nobodys_is_not_found(desk: Office) -> None:
    assert desk.post(TAKE, "dp_01h455vb4pex5vsknk084sn02q").status_code == 404


def test_staff_of_one_client_sees_its_disputes_alone(sandbox: Sandbox) -> None:
    office = Office("payments.view_dispute")
    foreign = make_dispute()

    assert foreign.charge.order.client != make_client() != office.user
    assert foreign.public_id not in office.page(LIST, queue="all")


def test_evidence_that_is_due_soon_calls_a_person(sandbox: Sandbox) -> None:
    urgent = make_dispute(due_in=timedelta(days=2))
    make_dispute("sdp_2", due_in=timedelta(days=4))
    make_dispute("sdp_3", due_in=timedelta(days=1), answered_at=timezone.now())

    (finding,) = watchers.unanswered_disputes()

    assert (finding.subject, finding.order_id) == (urgent.public_id, urgent.charge.order_id)
    assert "25.00 USD" in finding.summary
