from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orders.models import Order
from payments.models import IdempotencyKey, SagaExecution, SagaIntervention
from tests.config.builders import make_user
from tests.orders.builders import make_client, make_order
from tests.payments.builders import Api, advance, order_of
from tests.payments.interventions.builders import REASON, ask_for, everything, failed_refund, stopped_unknown
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(sandbox: Sandbox) -> Api:
    return Api(make_client(group="Operator"))


@pytest.fixture
def second(sandbox: Sandbox) -> Api:
    return Api(make_client(group="Operator"))


@pytest.fixture
def saga(sandbox: Sandbox) -> SagaExecution:
    return failed_refund()


def act(api: Api, saga: SagaExecution, action: str, **given: Any) -> Any:
    key = {"key": given.pop("key")} if "key" in given else {}
    body = {"action": action, "reason": REASON, "epoch": saga.epoch, **given}
    return api.post(f"sagas/{saga.public_id}/interventions", body, **key)


def faults(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.content
    return {error["field"]: error["code"] for error in answer.json()["errors"]}


class TestActing:
    def test_a_saga_is_tried_again(self, operator: Api, saga: SagaExecution) -> None:
        answer = act(operator, saga, "retry")

        body = answer.json()
        assert (answer.status_code, answer.headers["Location"]) == (201, f"/v1/interventions/{body['id']}")
        assert (body["saga"], body["action"], body["state"], body["epoch"], body["reason"]) == (
            saga.public_id, "retry", "applied", saga.epoch, REASON,
        )  # fmt: skip
        assert (body["requested_by"], body["decided_by"], body["needs_approval"]) == (
            operator.user.username, None, False,
        )  # fmt: skip
        saga.refresh_from_db()
        assert saga.state == "compensating"
        assert operator.get(f"interventions/{body['id']}").json() == body

    def test_the_same_key_acts_once(self, operator: Api, saga: SagaExecution) -> None:
        first, again = (act(operator, saga, "retry", key="the-same") for _ in range(2))

        assert (first.content, again.headers["Idempotent-Replayed"]) == (again.content, "true")
        assert SagaIntervention.objects.count() == 1

    def test_without_a_key_nothing_is_done(self, operator: Api, saga: SagaExecution) -> None:
        answer = act(operator, saga, "retry", key=None)

        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
        assert not SagaIntervention.objects.exists()

    def test_a_stale_epoch_is_refused_and_the_key_may_be_used_again(self, operator: Api, saga: SagaExecution) -> None:
        before = everything(saga)

        answer = act(operator, saga, "retry", epoch=saga.epoch + 1, key="the-same")

        assert (answer.status_code, answer.json()["code"]) == (409, "saga_moved_on")
        assert everything(saga) == before
        assert not IdempotencyKey.objects.filter(key="the-same").exists()

    def test_what_is_not_possible_now_is_refused_with_the_reason(self, operator: Api, saga: SagaExecution) -> None:
        answer = act(operator, saga, "resume")

        assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (
            409, "intervention_not_possible", "It is not paused.",
        )  # fmt: skip

    def test_a_context_that_may_not_be_so_is_refused(self, operator: Api, saga: SagaExecution) -> None:
        answer = act(operator, saga, "edit_context", context={"gateway": "elsewhere"})

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_context")
        edited = act(operator, saga, "edit_context", context={"customer_ip": "203.0.113.7"})
        assert (edited.status_code, edited.json()["arguments"]) == (201, {"context": {"customer_ip": "203.0.113.7"}})

    def test_an_unknown_outcome_is_resolved_by_the_gateways_reference(self, operator: Api, sandbox: Sandbox) -> None:
        saga = stopped_unknown(sandbox, "capture")
        sandbox.clear_faults()

        answer = act(operator, saga, "resolve_unknown", evidence="anything")

        assert (answer.status_code, answer.json()["state"], answer.json()["is_forced"]) == (201, "applied", False)
        assert advance(saga).state == "completed"


class TestWhoMay:
    def test_a_client_may_not_even_about_its_own_saga(self, api: Api) -> None:
        order = api.order(postal_code="99999")
        api.checkout(order, "tok_refund_fails")
        saga = SagaExecution.objects.get(order=order)

        for action in ("retry", "look_up", "pause"):
            assert act(api, saga, action).status_code == 403
        assert not SagaIntervention.objects.exists()
        assert api.get("interventions").status_code == 403

    def test_each_action_needs_its_own_permission(self, saga: SagaExecution) -> None:
        person = make_user("one", "orders.access_all_clients", "payments.view_sagaexecution", "payments.look_up_saga")

        assert act(Api(person), saga, "look_up").status_code == 201
        assert act(Api(person), saga, "retry").status_code == 403

    def test_a_foreign_saga_is_not_found(self, saga: SagaExecution) -> None:
        person = make_user("one", "payments.view_sagaexecution", "payments.retry_saga")

        assert act(Api(person), saga, "retry").status_code == 404
        assert act(Api(make_client(group="Operator")), SagaExecution(), "retry", epoch=0).status_code == 404

    def test_without_a_token_nothing_is_told(self, saga: SagaExecution) -> None:
        api = Api()
        api._headers = {}

        assert act(api, saga, "retry").status_code == 401


class TestBadInput:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({}, {"action": "required", "reason": "required", "epoch": "required"}),
            ({"action": "erase"}, {"action": "invalid_choice"}),
            ({"epoch": "1"}, {"epoch": "invalid"}),
            ({"epoch": -1}, {"epoch": "min_value"}),
            ({"epoch": 2**31}, {"epoch": "max_value"}),
            ({"reason": ""}, {"reason": "blank"}),
            ({"reason": "x" * 2001}, {"reason": "max_length"}),
            ({"approved": True}, {"approved": "unknown"}),
            ({"evidence": "bank-1", "context": {"a": 1}}, {"evidence": "unknown", "context": "unknown"}),
            ({"action": "mark_compensated"}, {"evidence": "required"}),
            ({"action": "mark_compensated", "evidence": "bank-1", "result": "succeeded"}, {"result": "unknown"}),
            ({"action": "mark_compensated", "evidence": "4242424242424242"}, {"evidence": "card_number"}),
            ({"action": "resolve_unknown", "evidence": "x", "result": "perhaps"}, {"result": "invalid_choice"}),
            ({"action": "edit_context", "context": {}}, {"context": "empty"}),
            ({"action": "edit_context", "context": []}, {"context": "not_a_dict"}),
        ],
        ids=str,
    )
    def test_is_refused_with_all_its_faults_at_once(
        self, operator: Api, saga: SagaExecution, body: dict[str, Any], expected: dict[str, str]
    ) -> None:
        complete = {"action": "retry", "reason": REASON, "epoch": saga.epoch} if body else {}

        answer = operator.post(f"sagas/{saga.public_id}/interventions", {**complete, **body})

        assert faults(answer) == expected
        assert not SagaIntervention.objects.exists()

    @pytest.mark.parametrize("path", ["approve", "refuse"])
    def test_a_decision_needs_a_note(self, operator: Api, second: Api, saga: SagaExecution, path: str) -> None:
        row = act(operator, saga, "mark_compensated", evidence="bank-1").json()

        assert faults(second.post(f"interventions/{row['id']}/{path}", {})) == {"note": "required"}
        assert faults(second.post(f"interventions/{row['id']}/{path}", {"note": "x", "by": "me"})) == {"by": "unknown"}


class TestTheSecondPerson:
    @pytest.fixture
    def row(self, operator: Api, saga: SagaExecution) -> dict[str, Any]:
        answer = act(operator, saga, "mark_compensated", evidence="bank-1")
        body: dict[str, Any] = answer.json()
        assert (answer.status_code, body["state"], body["is_forced"]) == (201, "awaiting_approval", True)
        return body

    def decide(self, api: Api, row: dict[str, Any], how: str = "approve", **headers: Any) -> Any:
        return api.post(f"interventions/{row['id']}/{how}", {"note": "Saw the statement."}, **headers)

    def test_approves_and_it_is_done(self, second: Api, saga: SagaExecution, row: dict[str, Any]) -> None:
        answer = self.decide(second, row)

        body = answer.json()
        assert (answer.status_code, body["state"], body["decided_by"], body["decision_note"]) == (
            200, "applied", second.user.username, "Saw the statement.",
        )  # fmt: skip
        assert (advance(saga).state, order_of(saga).status) == ("resolved", "payment_failed")

    def test_refuses_and_it_is_not(self, second: Api, saga: SagaExecution, row: dict[str, Any]) -> None:
        before = everything(saga)

        answer = self.decide(second, row, "refuse")

        assert (answer.status_code, answer.json()["state"], everything(saga)) == (200, "refused", before)

    @pytest.mark.parametrize("how", ["approve", "refuse"])
    def test_decides_once_with_the_same_key(self, second: Api, row: dict[str, Any], how: str) -> None:
        first, again = (self.decide(second, row, how, key="the-same") for _ in range(2))

        assert (first.content, again.headers["Idempotent-Replayed"]) == (again.content, "true")
        assert self.decide(second, row).json()["code"] == "intervention_not_possible"

    def test_is_never_the_first_one(self, operator: Api, saga: SagaExecution, row: dict[str, Any]) -> None:
        before = everything(saga)

        for how in ("approve", "refuse"):
            answer = self.decide(operator, row, how)
            assert (answer.status_code, answer.json()["code"]) == (409, "intervention_not_possible")

        assert everything(saga) == before

    def test_who_comes_too_late_finds_it_stale(self, second: Api, saga: SagaExecution, row: dict[str, Any]) -> None:
        SagaExecution.objects.filter(pk=saga.pk).update(epoch=saga.epoch + 1, moved_epoch=saga.epoch + 1)

        answer = self.decide(second, row)

        assert (answer.status_code, answer.json()["state"]) == (200, "stale")

    def test_may_do_the_action_too(self, row: dict[str, Any]) -> None:
        person = make_user("one", "orders.access_all_clients", "payments.approve_intervention")

        assert self.decide(Api(person), row).status_code == 403
        assert self.decide(Api(make_client(group="Auditor")), row).status_code == 403

    def test_without_a_key_nothing_is_decided(self, second: Api, row: dict[str, Any]) -> None:
        for how in ("approve", "refuse"):
            assert self.decide(second, row, how, key=None).status_code == 400

    def test_what_is_not_there_is_not_found(self, second: Api, saga: SagaExecution, row: dict[str, Any]) -> None:
        missing = {"id": "int_01h455vb4pex5vsknk084sn02q"}
        for how in ("approve", "refuse"):
            assert self.decide(second, missing, how).status_code == 404
        assert second.get(f"interventions/{saga.public_id}").status_code == 404


class TestReading:
    def test_a_saga_shows_its_epoch_and_what_can_be_done(self, operator: Api, saga: SagaExecution) -> None:
        body = operator.get(f"sagas/{saga.public_id}").json()

        offers = {offer["action"]: offer for offer in body["available_actions"]}
        assert (body["epoch"], body["is_paused"], body["awaiting_approval"]) == (saga.epoch, False, None)
        assert set(offers) == {"retry", "look_up", "mark_compensated", "edit_context", "force_complete"}
        assert offers["mark_compensated"]["takes"] == ["evidence"]
        assert (offers["retry"]["needs_approval"], offers["force_complete"]["needs_approval"]) == (False, True)
        assert offers["retry"]["description"].startswith("It goes on with")

    def test_a_saga_shows_what_waits_for_approval(self, operator: Api, saga: SagaExecution) -> None:
        row = act(operator, saga, "mark_compensated", evidence="bank-1").json()

        assert operator.get(f"sagas/{saga.public_id}").json()["awaiting_approval"] == row
        auditor = Api(make_client(group="Auditor")).get(f"sagas/{saga.public_id}").json()
        assert (auditor["awaiting_approval"], auditor["available_actions"]) == (row, [])

    def test_a_client_sees_that_something_was_done_but_not_who_and_why(self, api: Api, operator: Api) -> None:
        order = api.order(postal_code="99999")
        api.checkout(order, "tok_refund_fails")
        saga = SagaExecution.objects.get(order=order)
        act(operator, saga, "look_up", reason="Looks like fraud.")
        act(operator, saga, "mark_compensated", evidence="bank-1")

        answer = api.get(f"sagas/{saga.public_id}")

        body = answer.json()
        assert (body["available_actions"], body["awaiting_approval"]) == ([], None)
        event = next(event for event in body["events"] if event["kind"] == "looked_up")
        assert (event["actor"], event["reason"], event["after"]) == ("", "", {})
        assert not any(text in answer.content.decode() for text in ("fraud", "bank-1", operator.user.username))
        own = operator.get(f"sagas/{saga.public_id}").json()["events"]
        assert next(event for event in own if event["kind"] == "looked_up")["reason"] == "Looks like fraud."

    def test_lists_are_filtered_by_saga_and_state(self, operator: Api, saga: SagaExecution) -> None:
        looked, waits = ask_for(saga, "look_up"), ask_for(saga, "mark_compensated", evidence="bank-1")
        other = ask_for(failed_refund(), "retry")

        def shown(**query: str) -> list[str]:
            return [row["id"] for row in operator.get("interventions", **query).json()["results"]]

        assert shown() == [other.public_id, waits.public_id, looked.public_id]
        assert shown(saga=saga.public_id) == [waits.public_id, looked.public_id]
        assert shown(state="awaiting_approval") == [waits.public_id]
        for wrong in ({"saga": "saga_nonsense"}, {"state": "perhaps"}):
            assert operator.get("interventions", **wrong).status_code == 422

    def test_people_of_one_client_see_its_interventions_alone(self, saga: SagaExecution) -> None:
        row = ask_for(saga, "retry")
        person = make_user("one", "payments.view_sagaintervention")
        own = failed_refund(make_order(person, postal_code="99999"))
        mine = ask_for(own, "retry")

        assert [each["id"] for each in Api(person).get("interventions").json()["results"]] == [mine.public_id]
        assert Api(person).get(f"interventions/{row.public_id}").status_code == 404
        assert Order.objects.filter(client=person).count() == 1

    def test_a_longer_list_takes_no_more_queries(self, operator: Api, saga: SagaExecution) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert operator.get("interventions").status_code == 200
            return len(captured)

        for _ in range(2):
            ask_for(saga, "look_up")
        for_two = queries()
        for _ in range(6):
            ask_for(saga, "look_up")

        assert queries() == for_two
