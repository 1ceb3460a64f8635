"""The queues of sagas, and what is done about several of them at once."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from payments.models import SagaExecution, SagaIntervention
from payments.sagas import leases
from tests.office import Office
from tests.orders.builders import make_order
from tests.payments.admin.forms import LIST, hidden, read
from tests.payments.builders import WORKER, begin_checkout, make_due, run_checkout
from tests.payments.interventions.builders import (
    REASON,
    approve,
    ask_for,
    failed_refund,
    stopped_unknown,
)
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


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
        SagaExecution.objects.filter(pk=moved.pk).update(epoch=moved.epoch + 1, moved_epoch=moved.epoch + 1)

        told = self.do(operator, "retry", page)

        assert "Try again: 3 of 5 go on now. Reload this page to see how they end." in told
        assert f"Not done: {over}. It is over." in told
        assert f"Not done: {moved}. The saga has moved on since it was looked at." in told
        assert SagaIntervention.objects.filter(state="applied", reason=REASON).count() == 3
        states = SagaExecution.objects.filter(pk__in=[saga.pk for saga in failed]).values_list("state", flat=True)
        assert set(states) == {"compensating"}

    def test_afterwards_the_list_is_shown_as_it_was(self, operator: Office, failed: SagaExecution) -> None:
        other = run_checkout()
        form = {"action": "retry_ticked", "_selected_action": str(failed.pk), f"epoch-{failed.pk}": failed.epoch}
        page = operator.send(f"{reverse(f'admin:{LIST}')}?queue=failed", index="0", **form)
        address = unescape(re.findall(r'action="([^"]*/bulk/[^"]*)"', page)[0])
        assert f'href="{reverse(f"admin:{LIST}")}?queue=failed"' in page

        asked_again = operator.send(address, ticked=hidden(page, "ticked"), reason="")
        address = unescape(re.findall(r'action="([^"]*/bulk/[^"]*)"', asked_again)[0])
        shown = operator.send(address, ticked=hidden(page, "ticked"), reason=REASON)

        assert "1 of 1 goes on now" in shown
        assert (other.public_id in shown, "/bulk/" in shown) == (False, False)
        assert '<a href="?">' in shown, "the queue is chosen"

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

        assert "Try again: 1 of 2 goes on now. Reload this page to see how it ends. 1 waits for a second" in told
        approve(SagaIntervention.objects.get(state="awaiting_approval"))

    def test_pausing_and_resuming(self, operator: Office, sandbox: Sandbox) -> None:
        sagas = [begin_checkout(make_order()) for _ in range(2)]

        assert "Pause: 2 of 2 done." in self.do(operator, "pause", self.tick(operator, "pause", sagas))
        assert leases.claim_next(owner=WORKER) is None
        assert "Resume: 2 of 2 go on now." in self.do(operator, "resume", self.tick(operator, "resume", sagas))

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
