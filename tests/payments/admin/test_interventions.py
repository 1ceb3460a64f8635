"""What the back office offers about a saga, asks for, and does: by POST alone, with a reason, to what was seen."""

import re
from datetime import timedelta
from html import unescape
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from payments.interventions.actions import ACTIONS
from payments.models import SagaExecution, SagaIntervention
from payments.sagas import leases
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_order
from tests.payments.builders import WORKER, advance, begin_checkout, make_due, order_of, run_checkout
from tests.payments.interventions.builders import (
    REASON,
    approve,
    ask_for,
    everything,
    failed_refund,
    stopped_unknown,
)
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

ACT, LIST = "payments_sagaexecution_act", "payments_sagaexecution_changelist"
DECIDE = "payments_sagaintervention_decide"


@pytest.fixture
def operator(sandbox: Sandbox) -> Office:
    return Office(groups=("Operator",))


@pytest.fixture
def second(sandbox: Sandbox) -> Office:
    return Office(groups=("Operator",))


@pytest.fixture
def failed(sandbox: Sandbox) -> SagaExecution:
    return failed_refund()


def saga_page(office: Office, saga: SagaExecution) -> str:
    return office.page("payments_sagaexecution_change", saga.public_id)


def offered(html: str) -> list[str]:
    return re.findall(r"/act/(\w+)/\"", html)


def hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, name
    return unescape(found[1])


def act(office: Office, saga: SagaExecution, action: str, **form: Any) -> str:
    """Fill in the form as it is shown, and send it; the page it leads to."""
    epoch = hidden(office.page(ACT, saga.public_id, action), "epoch")
    answer = office.post(ACT, saga.public_id, action, **{"epoch": epoch, "reason": REASON, **form})
    saga.refresh_from_db()
    return str(answer.content.decode())


def read(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


class TestTheOffer:
    def test_names_what_is_possible_now_with_what_it_will_do(self, operator: Office, failed: SagaExecution) -> None:
        html = saga_page(operator, failed)

        assert offered(html) == ["retry", "look_up", "mark_compensated", "edit_context", "force_complete"]
        assert "What can be done now" in html
        assert "It goes on with “refund payment”, under a new idempotency key" in read(html)
        assert html.count("A second person has to approve it.") == 2

    def test_names_only_what_this_person_may_do(self, failed: SagaExecution) -> None:
        office = Office(ALL_CLIENTS, "payments.view_sagaexecution", "payments.retry_saga")

        assert offered(saga_page(office, failed)) == ["retry"]

    @pytest.mark.parametrize("group", ["Auditor"])
    def test_is_not_made_to_those_who_may_do_nothing(self, failed: SagaExecution, group: str) -> None:
        html = saga_page(Office(groups=(group,)), failed)

        assert (offered(html), "What can be done now" in html) == ([], False)

    def test_is_not_made_once_it_is_over(self, operator: Office) -> None:
        assert offered(saga_page(operator, run_checkout())) == []

    def test_has_headings_in_order_and_holds_to_the_content_security_policy(
        self, operator: Office, second: Office, failed: SagaExecution
    ) -> None:
        pages = [operator.page(ACT, failed.public_id, "mark_compensated")]
        act(operator, failed, "mark_compensated", evidence="bank-1")
        row = SagaIntervention.objects.get()
        pages += [saga_page(second, failed), second.page(DECIDE, row.public_id), second.page(LIST)]
        pages += [second.page("payments_sagaintervention_change", row.public_id)]

        for html in pages:
            levels = [int(level) for level in re.findall(r"<h([1-6])", html)]
            assert levels[0] == 1
            assert levels.count(1) == 1
            assert all(below - above <= 1 for above, below in pairwise(levels))
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", html)


class TestAsking:
    def test_says_what_will_happen_and_to_what(self, operator: Office, failed: SagaExecution) -> None:
        html = operator.page(ACT, failed.public_id, "mark_compensated")

        assert "The money counts as given back." in html
        assert "25.00 USD" in html
        assert "It could not be undone: a person has to." in html
        assert 'value="Ask for approval"' in html
        assert [hidden(html, "epoch")] == [str(failed.epoch)]

    def test_changes_nothing_by_itself(self, operator: Office, failed: SagaExecution) -> None:
        before = everything(failed)

        for action in ACTIONS:
            assert operator.get(ACT, failed.public_id, action).status_code in (200, 302)

        assert everything(failed) == before
        assert not SagaIntervention.objects.exists()

    def test_for_what_is_not_possible_leads_back_and_says_why(self, operator: Office, failed: SagaExecution) -> None:
        answer = operator.post(ACT, failed.public_id, "resume", reason=REASON, epoch=failed.epoch)

        assert "Resume: It is not paused." in read(answer.content.decode())
        assert not SagaIntervention.objects.exists()

    def test_for_what_nobody_can_do_finds_nothing(self, operator: Office, failed: SagaExecution) -> None:
        assert operator.get(ACT, failed.public_id, "erase").status_code == 404
        assert operator.get(ACT, "saga_01h455vb4pex5vsknk084sn02q", "retry").status_code == 404

    @pytest.mark.parametrize("action", list(ACTIONS))
    def test_without_the_permission_is_refused(self, failed: SagaExecution, action: str) -> None:
        others = {each.permission for each in ACTIONS.values()} - {ACTIONS[action].permission}
        office = Office(ALL_CLIENTS, "payments.view_sagaexecution", *others)
        before = everything(failed)

        assert office.get(ACT, failed.public_id, action).status_code == 403
        assert office.post(ACT, failed.public_id, action, reason=REASON, epoch=failed.epoch).status_code == 403

        assert everything(failed) == before

    def test_about_another_clients_saga_finds_nothing(self, failed: SagaExecution) -> None:
        office = Office("payments.view_sagaexecution", "payments.retry_saga")

        assert office.post(ACT, failed.public_id, "retry", reason=REASON, epoch=failed.epoch).status_code == 404


class TestDoing:
    def test_sets_a_saga_going_and_says_so(self, operator: Office, failed: SagaExecution) -> None:
        page = act(operator, failed, "retry")

        assert "Try again: done." in read(page)
        assert failed.state == "compensating"
        assert f"Was told to try “refund payment” again: {REASON}" in read(page)
        assert f"<dt>By</dt><dd>{operator.user.username}</dd>" in page

    @pytest.mark.parametrize("form", [{"reason": " "}, {"evidence": ""}, {"evidence": "4242 4242 4242 4242"}])
    def test_with_a_form_that_is_filled_in_wrongly_does_nothing(
        self, operator: Office, failed: SagaExecution, form: dict[str, str]
    ) -> None:
        page = act(operator, failed, "mark_compensated", **{"evidence": "bank-1", **form})

        assert "Nothing was done." in page
        assert not SagaIntervention.objects.exists()

    def test_to_a_saga_that_has_moved_on_does_nothing(self, operator: Office, failed: SagaExecution) -> None:
        before = everything(failed)

        page = act(operator, failed, "retry", epoch=failed.epoch - 1)

        assert "has moved on since you looked at it" in page
        assert everything(failed) == before

    def test_by_a_form_that_is_sent_twice_is_done_once(self, operator: Office, failed: SagaExecution) -> None:
        epoch = failed.epoch
        act(operator, failed, "retry")

        operator.post(ACT, failed.public_id, "retry", reason=REASON, epoch=epoch)

        assert SagaIntervention.objects.count() == 1

    def test_what_the_gateway_contradicts_is_said_beside_the_form(self, operator: Office, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture")
        sandbox.clear_faults()

        page = act(operator, saga, "resolve_unknown", evidence="ticket-1", result="did_not_happen")

        assert "It says otherwise there: succeeded." in page
        assert 'value="ticket-1"' in page

    def test_a_look_shows_the_answer_in_the_history(self, operator: Office, failed: SagaExecution) -> None:
        page = act(operator, failed, "look_up")

        assert "Look up at the gateway: done." in read(page)
        assert "Call 1: <b>look up</b>, answered 200 in" in page
        assert "Gateway and carrier were asked, and nothing was changed" in read(page)

    def test_an_edit_changes_what_was_edited_and_shows_the_difference(self, operator: Office, sandbox: Sandbox) -> None:
        saga = begin_checkout(make_order(), customer_ip="wrong")
        act(operator, saga, "pause")
        form = operator.page(ACT, saga.public_id, "edit_context")
        assert re.findall(r'name="(\w+)" value="wrong"', form) == ["customer_ip"]

        page = act(operator, saga, "edit_context", customer_ip="203.0.113.7", device_fingerprint="")

        assert saga.context["customer_ip"] == "203.0.113.7"
        assert "wrong → 203.0.113.7" in read(page)

    def test_an_edit_that_changes_nothing_says_so(self, operator: Office, sandbox: Sandbox) -> None:
        saga = begin_checkout(make_order(), customer_ip="203.0.113.7")
        act(operator, saga, "pause")

        page = act(operator, saga, "edit_context", customer_ip="203.0.113.7")

        assert "Nothing was done." in page
        assert SagaIntervention.objects.count() == 1


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

    def test_approves_and_it_is_done(self, second: Office, failed: SagaExecution, row: SagaIntervention) -> None:
        asked = second.page(DECIDE, row.public_id)
        assert all(text in asked for text in ("bank-1", "25.00 USD", REASON, "The money counts as given back."))

        answer = second.post(DECIDE, row.public_id, note="Saw the statement.", decision="approve")

        page = read(answer.content.decode())
        assert "Approved, and done." in page
        assert "Saw the statement." in page
        failed.refresh_from_db()
        assert advance(failed).state == "resolved"
        assert order_of(failed).status == "payment_failed"

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

    def test_may_do_the_action_too(self, row: SagaIntervention) -> None:
        for permission in ("payments.approve_intervention", "payments.mark_compensated"):
            office = Office(ALL_CLIENTS, "payments.view_sagaintervention", permission)
            assert office.post(DECIDE, row.public_id, note="x", decision="approve").status_code == 403

    def test_of_what_is_not_there_is_not_asked(self, second: Office, row: SagaIntervention) -> None:
        assert second.get(DECIDE, "int_01h455vb4pex5vsknk084sn02q").status_code == 404

    def test_who_comes_too_late_is_told(self, second: Office, failed: SagaExecution, row: SagaIntervention) -> None:
        SagaExecution.objects.filter(pk=failed.pk).update(epoch=failed.epoch + 1)
        assert "approving it does nothing any more" in second.page(DECIDE, row.public_id)

        answer = second.post(DECIDE, row.public_id, note="Agreed.", decision="approve")

        assert "The saga has moved on since this was asked for: nothing was done." in answer.content.decode()
        again = second.post(DECIDE, row.public_id, note="Agreed.", decision="approve")
        assert "This was decided already: stale." in again.content.decode()


class TestTheList:
    NAME = "payments_sagaintervention_changelist"

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


class TestQueues:
    def shown(self, office: Office, queue: str) -> set[str]:
        return set(re.findall(r"/(saga_\w+)/change/", office.page(LIST, queue=queue)))

    def test_each_holds_what_it_says(self, operator: Office, sandbox: Sandbox) -> None:
        failed = failed_refund()
        waits_for_approval = ask_for(failed, "mark_compensated", evidence="bank-1").saga
        waiting = run_checkout(payment_method="tok_avs_partial")
        attention = stopped_unknown(sandbox, "capture")
        sandbox.clear_faults()
        paused, late, busy, fresh = (begin_checkout(make_order()) for _ in range(4))
        ask_for(paused, "pause")
        SagaExecution.objects.filter(pk__in=[late.pk, paused.pk]).update(next_run_at=Now() - timedelta(minutes=2))
        SagaExecution.objects.filter(pk=busy.pk).update(
            state="compensating", next_run_at=Now() + timedelta(seconds=9), created_at=Now() - timedelta(minutes=11)
        )

        assert self.shown(operator, "attention") == {attention.public_id}
        assert self.shown(operator, "failed") == {failed.public_id}
        assert self.shown(operator, "approval") == {waits_for_approval.public_id}
        assert self.shown(operator, "waiting") == {waiting.public_id}
        assert self.shown(operator, "paused") == {paused.public_id}
        assert self.shown(operator, "slow") == {late.public_id, busy.public_id}
        assert fresh.public_id in self.shown(operator, "")


class TestInBulk:
    def tick(self, office: Office, action: str, sagas: list[SagaExecution], **form: Any) -> str:
        """Tick them on the list as it is shown, and choose the action; the page that asks."""
        epochs = dict(re.findall(r'name="(epoch-[^"]+)" value="(\d+)"', office.page(LIST)))
        keys = [str(saga.pk) for saga in sagas]
        ticked = {"action": f"{action}_ticked", "_selected_action": keys, "index": "0", **epochs, **form}
        response = office.post(LIST, **ticked)
        return str(response.content.decode())

    def do(self, office: Office, action: str, page: str, **form: Any) -> str:
        ticked = hidden(page, "ticked")
        answer = office.post("payments_sagaexecution_bulk", action, **{"ticked": ticked, "reason": REASON, **form})
        return read(answer.content.decode())

    def test_each_is_done_by_itself_and_what_is_not_possible_is_said(self, operator: Office, sandbox: Sandbox) -> None:
        failed = [failed_refund() for _ in range(3)]
        over, moved = run_checkout(), failed_refund()
        page = self.tick(operator, "retry", [*failed, over, moved])
        assert all(saga.public_id in page for saga in (*failed, over, moved))
        SagaExecution.objects.filter(pk=moved.pk).update(epoch=moved.epoch + 1)

        told = self.do(operator, "retry", page)

        assert "Try again: 3 of 5 done." in told
        assert f"Not done: {over}. It is over." in told
        assert f"Not done: {moved}. The saga has moved on since it was looked at." in told
        assert SagaIntervention.objects.filter(state="applied", reason=REASON).count() == 3
        states = SagaExecution.objects.filter(pk__in=[saga.pk for saga in failed]).values_list("state", flat=True)
        assert set(states) == {"compensating"}

    def test_they_begin_spread_over_some_seconds(self, operator: Office, sandbox: Sandbox) -> None:
        failed = [failed_refund() for _ in range(4)]

        self.do(operator, "retry", self.tick(operator, "retry", failed))

        rows: Any = SagaExecution.objects.annotate(now=Now()).filter(state="compensating")
        waits = [(row.next_run_at - row.now).total_seconds() for row in rows]
        assert len({round(wait, 3) for wait in waits}) == 4
        assert all(-5 < wait <= 10 for wait in waits)

    def test_a_large_amount_waits_for_a_second_person(self, operator: Office, sandbox: Sandbox) -> None:
        large = failed_refund(make_order(quantity=1, unit_amount_minor=1000_00, postal_code="99999"))

        told = self.do(operator, "retry", self.tick(operator, "retry", [large, failed_refund()]))

        assert "Try again: 1 of 2 done. 1 wait for a second person's approval." in told
        approve(SagaIntervention.objects.get(state="awaiting_approval"))

    def test_pausing_and_resuming(self, operator: Office, sandbox: Sandbox) -> None:
        sagas = [begin_checkout(make_order()) for _ in range(2)]

        assert "Pause: 2 of 2 done." in self.do(operator, "pause", self.tick(operator, "pause", sagas))
        assert leases.claim_next(owner=WORKER) is None
        assert "Resume: 2 of 2 done." in self.do(operator, "resume", self.tick(operator, "resume", sagas))

        for saga in sagas:
            make_due(saga)
        assert leases.claim_next(owner=WORKER) is not None

    def test_without_a_reason_nothing_is_done_and_the_ticks_are_kept(
        self, operator: Office, failed: SagaExecution
    ) -> None:
        page = self.tick(operator, "retry", [failed])

        answer = operator.post("payments_sagaexecution_bulk", "retry", ticked=hidden(page, "ticked"), reason="")

        assert (answer.status_code, hidden(answer.content.decode(), "ticked")) == (400, hidden(page, "ticked"))
        assert not SagaIntervention.objects.exists()

    @pytest.mark.parametrize("ticked", ["", "nonsense", "x:1", "01890000-0000-7000-8000-000000000000:1"])
    def test_what_is_made_up_does_nothing(self, operator: Office, ticked: str) -> None:
        operator.post("payments_sagaexecution_bulk", "retry", ticked=ticked, reason=REASON)
        operator.post(LIST, action="retry_ticked", _selected_action=ticked or "x", index="0", select_across="1")

        assert not SagaIntervention.objects.exists()

    def test_only_what_is_offered_in_bulk_is_done_in_bulk(self, operator: Office, failed: SagaExecution) -> None:
        for action in ("force_fail", "mark_compensated", "skip", "erase"):
            answer = operator.post(
                "payments_sagaexecution_bulk", action, ticked=f"{failed.pk}:{failed.epoch}", reason=REASON
            )
            assert answer.status_code == 404

    def test_who_may_not_is_shown_no_boxes_and_refused_all_the_same(self, failed: SagaExecution) -> None:
        auditor = Office(groups=("Auditor",))

        assert "_selected_action" not in auditor.page(LIST)
        answer = auditor.post("payments_sagaexecution_bulk", "retry", ticked=f"{failed.pk}:{failed.epoch}", reason="x")
        assert answer.status_code == 403
        assert auditor.get("payments_sagaexecution_bulk", "retry").status_code == 403

    def test_another_clients_sagas_are_passed_over(self, failed: SagaExecution) -> None:
        office = Office("payments.view_sagaexecution", "payments.retry_saga")

        office.post("payments_sagaexecution_bulk", "retry", ticked=f"{failed.pk}:{failed.epoch}", reason=REASON)

        assert not SagaIntervention.objects.exists()

    def test_a_get_does_nothing(self, operator: Office) -> None:
        assert operator.get("payments_sagaexecution_bulk", "retry").status_code == 302

    def test_the_list_still_counts_no_rows(self, operator: Office, failed: SagaExecution) -> None:
        with CaptureQueriesContext(connection) as queries:
            html = operator.page(LIST)

        assert f'name="epoch-{failed.pk}" value="{failed.epoch}"' in html
        assert not [query for query in queries.captured_queries if "COUNT(" in query["sql"]]
        assert reverse(f"admin:{LIST}") in html
