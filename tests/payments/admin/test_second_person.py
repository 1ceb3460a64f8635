"""What one person asks for and another decides about, and the list of it all."""

import re

import pytest
from django.contrib.admin.models import LogEntry

from payments.interventions.actions import ACTIONS
from payments.models import SagaExecution, SagaIntervention
from tests.office import ALL_CLIENTS, Office
from tests.payments.admin.forms import ACT, DECIDE, WITHDRAW, act, offered, read, saga_page
from tests.payments.builders import advance, order_of
from tests.payments.interventions.builders import (
    REASON,
    ask_for,
    everything,
    failed_refund,
    stopped_refund,
)
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def awaiting(office: Office) -> int:
    """What the first page says of the requests that this person may decide about."""
    found = re.search(r"Awaiting your approval\s*(\d+)", read(office.page("index")))
    return int(found[1]) if found else 0


class TestTheSecondPerson:
    @pytest.fixture
    def row(self, operator: Office, failed: SagaExecution) -> SagaIntervention:
        page = act(operator, failed, "mark_compensated", evidence="bank-1")
        assert "a second person has to approve it. Nothing was changed yet." in read(page)
        return SagaIntervention.objects.get()

    def test_is_told_by_the_sagas_page_and_the_first_one_is_told_to_wait(
        self, operator: Office, second: Office, failed: SagaExecution, row: SagaIntervention
    ) -> None:
        own, other = saga_page(operator, failed), saga_page(second, failed)

        for html in (own, other):
            assert "Awaits approval: Mark as compensated" in html
        assert ("Approve or refuse" in own, "somebody else has to approve it" in own) == (False, True)
        assert ("Approve or refuse" in other, "somebody else has to approve it" in other) == (True, False)

    def test_is_asked_one_thing_at_a_time_and_what_overtakes_it_says_so(
        self, operator: Office, failed: SagaExecution, row: SagaIntervention
    ) -> None:
        page = saga_page(operator, failed)
        assert offered(page) == ["retry", "look_up", "edit_context"]
        assert "“Mark as compensated” awaits approval. Whatever you do here, other than looking up, makes" in read(page)
        warning = "“Mark as compensated” awaits approval. This makes that request stale"
        forms = {action: read(operator.page(ACT, failed.public_id, action)) for action in ("retry", "look_up")}
        assert (warning in forms["retry"], warning in forms["look_up"]) == (True, False)

        answer = operator.post(ACT, failed.public_id, "force_complete", reason=REASON, epoch=failed.epoch)

        assert "Force to be complete: Something else awaits approval." in answer.content.decode()
        assert SagaIntervention.objects.count() == 1

    def test_is_asked_anew_about_a_saga_that_has_moved_on(
        self, operator: Office, failed: SagaExecution, row: SagaIntervention
    ) -> None:
        SagaExecution.objects.filter(pk=failed.pk).update(epoch=failed.epoch + 1, moved_epoch=failed.epoch + 1)

        page = saga_page(operator, failed)

        assert "mark_compensated" in offered(page)
        assert "makes that request stale" not in page

    def test_finds_it_on_the_first_page(self, operator: Office, second: Office, row: SagaIntervention) -> None:
        assert awaiting(operator) == awaiting(Office(groups=("Auditor",))) == 0
        assert awaiting(second) == 1

    def test_approves_and_it_is_done(self, second: Office, failed: SagaExecution, row: SagaIntervention) -> None:
        asked = second.page(DECIDE, row.public_id)
        assert all(text in asked for text in ("bank-1", "25.00 USD", REASON, "The money counts as given back."))

        answer = second.post(DECIDE, row.public_id, note="Saw the statement.", decision="approve")

        page = read(answer.content.decode())
        assert "Approved: it goes on now. Reload this page to see how it ends." in page
        assert "Saw the statement." in page
        failed.refresh_from_db()
        assert advance(failed).state == "resolved"
        assert order_of(failed).status == "payment_failed"

    def test_approves_what_ends_the_saga_and_is_told_that_it_is_done(
        self, operator: Office, second: Office, sandbox: Sandbox
    ) -> None:
        saga = stopped_refund(sandbox)
        act(operator, saga, "force_fail")
        row = SagaIntervention.objects.get()

        answer = second.post(DECIDE, row.public_id, note="The customer has kept it.", decision="approve")

        assert "Approved, and done." in answer.content.decode()

    def test_refuses_and_nothing_is_done(self, second: Office, failed: SagaExecution, row: SagaIntervention) -> None:
        before = everything(failed)

        answer = second.post(DECIDE, row.public_id, note="No such transfer.", decision="refuse")

        assert "Refused: nothing was done." in answer.content.decode()
        assert everything(failed) == before

    @pytest.mark.parametrize("form", [{"note": "x"}, {"note": "x", "decision": "maybe"}])
    def test_who_does_not_say_yes_has_said_no(
        self, second: Office, failed: SagaExecution, row: SagaIntervention, form: dict[str, str]
    ) -> None:
        before = everything(failed)

        second.post(DECIDE, row.public_id, **form)

        row.refresh_from_db()
        assert (row.state, everything(failed)) == ("refused", before)

    def test_needs_a_note(self, second: Office, row: SagaIntervention) -> None:
        answer = second.post(DECIDE, row.public_id, decision="approve", note="")

        assert answer.status_code == 400
        row.refresh_from_db()
        assert row.state == "awaiting_approval"

    def test_is_never_the_first_one(self, operator: Office, failed: SagaExecution, row: SagaIntervention) -> None:
        assert operator.get(DECIDE, row.public_id).status_code == 403
        assert operator.post(DECIDE, row.public_id, note="x", decision="approve").status_code == 403

        page = operator.page("payments_sagaintervention_change", row.public_id)
        assert "somebody else has to approve it" in page
        assert "Approve or refuse" not in page

    def test_is_not_needed_when_the_first_one_withdraws_it(
        self, operator: Office, second: Office, failed: SagaExecution, row: SagaIntervention
    ) -> None:
        before = everything(failed)
        for page in (saga_page(operator, failed), operator.page("payments_sagaintervention_change", row.public_id)):
            assert "Withdraw it" in page
        assert "Withdraw it" not in saga_page(second, failed)
        assert "something else can be asked for" in operator.page(WITHDRAW, row.public_id)

        page = read(operator.post(WITHDRAW, row.public_id, note="The wrong transfer.").content.decode())

        assert "Withdrawn: nothing was done." in page
        assert "Whoever asked for “Mark as compensated” does not want it any more: The wrong transfer." in page
        assert LogEntry.objects.latest("id").get_change_message() == (
            "Intervention withdrawn (Mark as compensated): The wrong transfer."
        )
        assert everything(failed) == before
        assert (
            "This was decided already: withdrawn."
            in operator.post(WITHDRAW, row.public_id, note="Again.").content.decode()
        )

    def test_withdraws_nothing_of_the_first_ones(self, second: Office, row: SagaIntervention) -> None:
        assert second.get(WITHDRAW, row.public_id).status_code == 403
        assert second.post(WITHDRAW, row.public_id, note="x").status_code == 403

    def test_may_do_the_action_too(self, row: SagaIntervention) -> None:
        for permission in ("payments.approve_intervention", "payments.mark_compensated"):
            office = Office(ALL_CLIENTS, "payments.view_sagaintervention", permission)
            assert office.post(DECIDE, row.public_id, note="x", decision="approve").status_code == 403

    def test_of_what_is_not_there_is_not_asked(self, second: Office, row: SagaIntervention) -> None:
        assert second.get(DECIDE, "int_01h455vb4pex5vsknk084sn02q").status_code == 404

    def test_who_comes_too_late_is_told(self, second: Office, failed: SagaExecution, row: SagaIntervention) -> None:
        SagaExecution.objects.filter(pk=failed.pk).update(epoch=failed.epoch + 1, moved_epoch=failed.epoch + 1)
        assert "approving it does nothing any more" in second.page(DECIDE, row.public_id)

        answer = second.post(DECIDE, row.public_id, note="Agreed.", decision="approve")

        assert "The saga has moved on since this was asked for: nothing was done." in answer.content.decode()
        again = second.post(DECIDE, row.public_id, note="Agreed.", decision="approve")
        assert "This was decided already: stale." in again.content.decode()


class TestTheList:
    NAME = "payments_sagaintervention_changelist"

    def test_calls_an_action_as_its_button_does(self, operator: Office, failed: SagaExecution) -> None:
        ask_for(failed, "mark_compensated", evidence="bank-1")

        html = operator.page(self.NAME, action__exact="mark_compensated")

        assert '<td class="field-what">Mark as compensated</td>' in html
        for title in (action.title for action in ACTIONS.values()):
            assert f"{title}</a>" in html
        assert "Mark Compensated" not in html

    def test_is_read_by_auditors_who_decide_nothing(self, failed: SagaExecution) -> None:
        row = ask_for(failed, "mark_compensated", evidence="bank-1")
        auditor = Office(groups=("Auditor",))

        assert row.public_id in auditor.page(self.NAME, state__exact="awaiting_approval")
        assert row.public_id not in auditor.page(self.NAME, state__exact="applied")
        page = auditor.page("payments_sagaintervention_change", row.public_id)
        assert ("bank-1" in page, REASON in page, "Approve or refuse" in page) == (True, True, False)
        assert auditor.post(DECIDE, row.public_id, note="x", decision="approve").status_code == 403

    @pytest.mark.parametrize("group", ["Fraud analyst", "Finance"])
    def test_is_not_for_everybody(self, group: str) -> None:
        assert Office(groups=(group,)).get(self.NAME).status_code == 403

    def test_takes_no_more_queries_when_it_is_longer(self, operator: Office) -> None:
        for _ in range(2):
            ask_for(failed_refund(), "mark_compensated", evidence="bank-1")
        for_two = operator.queries(self.NAME)
        for _ in range(6):
            ask_for(failed_refund(), "retry")

        assert operator.queries(self.NAME) == for_two

    def test_finds_by_saga_and_order(self, operator: Office, failed: SagaExecution) -> None:
        row, other = ask_for(failed, "retry"), ask_for(failed_refund(), "retry")

        for term in (row.public_id, failed.public_id, failed.order.public_id, row.requested_by.username):
            html = operator.page(self.NAME, q=term)
            assert (row.public_id in html, other.public_id in html) == (True, False)

    def test_of_one_client_is_not_seen_by_another(self, failed: SagaExecution) -> None:
        row = ask_for(failed, "retry")
        office = Office("payments.view_sagaintervention")

        assert row.public_id not in office.page(self.NAME)
        assert office.get("payments_sagaintervention_change", row.public_id).status_code == 302
