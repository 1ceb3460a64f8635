"""What the back office offers about a saga, asks for, and does: by POST alone, with a reason, to what was seen."""

import re
from itertools import pairwise

import pytest

from payments.interventions.actions import ACTIONS
from payments.models import SagaExecution, SagaIntervention
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_order
from tests.payments.admin.forms import ACT, DECIDE, LIST, act, hidden, offered, read, saga_page
from tests.payments.builders import begin_checkout, run_checkout
from tests.payments.interventions.builders import (
    REASON,
    everything,
    stopped_unknown,
)
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


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

        assert "Try again: it goes on now. Reload this page to see how it ends." in read(page)
        assert failed.state == "compensating"
        assert "<h3>Try again </h3>" in page
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

    def test_a_look_tells_the_answer_and_keeps_it_in_the_history(self, operator: Office, failed: SagaExecution) -> None:
        page = act(operator, failed, "look_up")

        answer = "The gateway says: captured 25.00 USD, nothing refunded."
        assert f'<li class="success">{answer}</li>' in page
        assert f"<dt>Answer</dt><dd>{answer}</dd>" in page
        assert "Call 1: <b>look up</b>, answered 200 in" in page
        assert "Gateway and carrier were asked, and nothing was changed" in read(page)

    def test_a_look_that_is_not_answered_says_so(
        self, operator: Office, failed: SagaExecution, sandbox: Sandbox
    ) -> None:
        sandbox.fault("status_500", operation="look_up")

        assert '<li class="warning">The gateway did not answer.</li>' in act(operator, failed, "look_up")

    def test_what_is_paused_is_done_and_what_is_resumed_goes_on(self, operator: Office, sandbox: Sandbox) -> None:
        saga = begin_checkout(make_order())

        assert "Pause: done." in read(act(operator, saga, "pause"))
        assert "Resume: it goes on now." in read(act(operator, saga, "resume"))

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
