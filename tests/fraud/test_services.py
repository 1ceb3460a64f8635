from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone
from structlog.testing import capture_logs

from fraud.engine import evaluate as judge
from fraud.errors import InvalidListEntry, ReviewClaimed, ReviewClosed
from fraud.facts import Context, ListKind, ListName, Ruling, Stage
from fraud.models import Decision, ListEntry, ReviewCase, RuleSet
from fraud.services import (
    add_list_entry,
    assign_case,
    claim_case,
    claim_next,
    close_case,
    decide,
    escalate_case,
    evaluate,
    gather_velocity,
    load_active_ruleset,
    open_case,
    release_case,
)
from orders.errors import InvalidTransition
from tests.fraud.builders import activate_rules, make_context, make_decision, make_order, make_rule, make_user

pytestmark = pytest.mark.django_db

BEFORE, AFTER = Stage.BEFORE_AUTHORIZATION, Stage.AFTER_AUTHORIZATION
GOOD_CARD = {"card_country": "US", "card_brand": "visa", "avs_result": "match", "cvv_result": "match"}


@pytest.fixture(autouse=True)
def listed() -> None:
    add_list_entry("blocked@example.com", list_name=ListName.BLOCK)
    add_list_entry("review@example.com", list_name=ListName.WATCH)


class TestTheDefaultRules:
    def test_an_ordinary_checkout_is_approved_twice(self) -> None:
        order = make_order()

        before = make_decision(order, attempt="a", velocity={"customer_attempts_3600s": 1})
        after = make_decision(order, attempt="a", stage=AFTER, facts=GOOD_CARD)

        assert (before.decision, before.verdicts) == (Ruling.APPROVE, [])
        assert (after.decision, after.verdicts) == (Ruling.APPROVE, [])

    @pytest.mark.parametrize(
        ("order", "facts", "velocity", "decision", "rule"),
        [
            ({"customer_email": "Blocked@example.com"}, {}, {}, Ruling.BLOCK, "blocklist"),
            ({"amount_minor": 2_000_00}, {}, {}, Ruling.CHALLENGE, "high_amount"),
            ({}, {}, {"customer_attempts_3600s": 6}, Ruling.BLOCK, "velocity"),
        ],
    )
    def test_what_is_known_beforehand_is_decided_beforehand(
        self, order: Any, facts: Any, velocity: Any, decision: Ruling, rule: str
    ) -> None:
        stored = make_decision(make_order(**order), facts=facts, velocity=velocity)

        assert (stored.decision, [verdict["rule"] for verdict in stored.verdicts]) == (decision, [rule])

    @pytest.mark.parametrize(
        ("order", "facts", "decision", "rule"),
        [
            ({}, {"avs_result": "mismatch"}, Ruling.BLOCK, "avs_cvv"),
            ({}, {"avs_result": "partial"}, Ruling.CHALLENGE, "avs_cvv"),
            ({}, {"cvv_result": "mismatch"}, Ruling.BLOCK, "avs_cvv"),
            ({}, {"card_country": "FR"}, Ruling.CHALLENGE, "country_mismatch"),
            ({"customer_email": "Review@example.com"}, {}, Ruling.REVIEW, "watch_list"),
        ],
    )
    def test_what_the_authorization_tells_is_decided_after_it(
        self, order: Any, facts: Any, decision: Ruling, rule: str
    ) -> None:
        stored = make_decision(make_order(**order), stage=AFTER, facts={**GOOD_CARD, **facts})

        assert (stored.decision, [verdict["rule"] for verdict in stored.verdicts]) == (decision, [rule])

    def test_a_high_amount_is_challenged_once_and_not_reviewed_on_top(self) -> None:
        order = make_order(amount_minor=2_000_00)

        before = make_decision(order, attempt="a")
        after = make_decision(order, attempt="a", stage=AFTER, facts=GOOD_CARD)

        assert before.wants_challenge
        assert not before.wants_review
        assert after.decision == Ruling.APPROVE

    def test_a_challenge_found_afterwards_wants_a_review(self) -> None:
        decision = make_decision(stage=AFTER, facts={**GOOD_CARD, "card_country": "FR"})

        assert decision.wants_review
        assert not decision.wants_challenge

    def test_a_watched_customer_scores_sixty(self) -> None:
        decision = make_decision(make_order(customer_email="review@example.com"), stage=AFTER, facts=GOOD_CARD)

        assert (decision.score, decision.wants_review, decision.is_blocked) == (60, True, False)

    def test_an_order_without_a_billing_country_is_not_held_against_its_card(self) -> None:
        decision = make_decision(make_order(billing={}), stage=AFTER, facts={**GOOD_CARD, "card_country": "FR"})

        assert decision.decision == Ruling.APPROVE


class TestDecide:
    def test_the_second_call_returns_what_the_first_one_stored(self) -> None:
        order = make_order()
        first = make_decision(order, attempt="a")

        add_list_entry(order.customer_email, list_name=ListName.BLOCK)
        second = make_decision(order, attempt="a", velocity={"customer_attempts_3600s": 100})

        assert second.pk == first.pk
        assert second.decision == Ruling.APPROVE
        assert Decision.objects.count() == 1

    def test_another_attempt_is_decided_anew(self) -> None:
        order = make_order()
        make_decision(order, attempt="a")

        add_list_entry(order.customer_email, list_name=ListName.BLOCK)

        assert make_decision(order, attempt="b").is_blocked

    def test_it_takes_three_queries(self, django_assert_num_queries: Any) -> None:
        order = make_order()
        load_active_ruleset()

        for stage in Stage:
            with django_assert_num_queries(3):
                decide(order, attempt="a", stage=stage, facts=GOOD_CARD, velocity={})

    def test_a_repeated_call_takes_one_query(self, django_assert_num_queries: Any) -> None:
        decision = make_decision(attempt="a")

        with django_assert_num_queries(1):
            decide(decision.order, attempt="a", stage=decision.stage, facts={}, velocity={})

    @pytest.mark.parametrize("stage", Stage)
    def test_what_is_stored_reproduces_the_decision(self, stage: Stage) -> None:
        order = make_order(customer_email="review@example.com", amount_minor=2_000_00)
        facts = {**GOOD_CARD, "card_country": "FR", "ip": "203.0.113.7"}
        decision = make_decision(order, stage=stage, facts=facts, velocity={"customer_attempts_3600s": 3})
        decision.refresh_from_db()

        again = judge(load_active_ruleset(), Context.from_snapshot(decision.context))

        assert (again.decision, again.score) == (decision.decision, decision.score)
        assert [verdict.reason for verdict in again.verdicts] == [verdict["reason"] for verdict in decision.verdicts]
        assert decision.ruleset_version == again.ruleset_version
        assert decision.verdicts

    def test_the_rules_of_the_moment_decide(self) -> None:
        make_decision()
        activate_rules([make_rule("high_amount", {"thresholds": {"USD": 1}, "decision": "block"})])

        decision = make_decision()

        assert decision.is_blocked
        assert decision.ruleset_version == 2

    def test_a_score_from_before_the_authorization_is_reviewed_after_it(self) -> None:
        activate_rules([make_rule("velocity", {"limit": "five"}, name="broken")])
        order = make_order()

        with capture_logs() as logs:
            before = make_decision(order, attempt="a")
        activate_rules([])
        after = make_decision(order, attempt="a", stage=AFTER)

        assert not before.wants_review
        assert after.wants_review
        assert [verdict["rule"] for verdict in before.verdicts + after.verdicts] == ["broken", "earlier_stage"]
        assert [(entry["event"], entry["rule"]) for entry in logs] == [("rule_failed", "broken")]

    def test_without_rules_a_person_decides(self) -> None:
        RuleSet.objects.update(is_active=False)
        order = make_order()

        make_decision(order, attempt="a")
        after = make_decision(order, attempt="a", stage=AFTER)

        assert after.wants_review
        assert after.ruleset_version == 0

    def test_strange_facts_are_stored_cleaned(self) -> None:
        facts = {"device_fingerprint": "\x00\ud800x\n", "ip": "here", "card_country": "", "card_brand": None}

        decision = make_decision(facts=facts)
        decision.refresh_from_db()

        assert decision.context["device_fingerprint"] == "x"
        assert decision.context["ip"] is None
        assert decision.context["card_country"] is None


class TestVelocityOfAnOrder:
    def test_the_sixth_attempt_of_one_customer_is_blocked(self) -> None:
        order = make_order()

        decisions = []
        for number in range(1, 7):
            velocity = gather_velocity(order, attempt=f"attempt-{number}")
            decisions.append(make_decision(order, attempt=f"attempt-{number}", velocity=velocity).decision)

        assert decisions == [Ruling.APPROVE] * 5 + [Ruling.BLOCK]

    def test_customers_of_two_clients_do_not_count_together(self) -> None:
        gather_velocity(make_order(), attempt="a")

        assert gather_velocity(make_order(), attempt="b") == {"customer_attempts_3600s": 1}

    def test_an_order_without_a_customer_counts_nothing(self) -> None:
        assert gather_velocity(make_order(customer_id=""), attempt="a") == {}

    def test_rules_without_velocity_count_nothing(self) -> None:
        activate_rules([])

        assert gather_velocity(make_order(), attempt="a") == {}

    def test_without_rules_nothing_is_counted(self) -> None:
        RuleSet.objects.update(is_active=False)

        assert gather_velocity(make_order(), attempt="a") == {}


class TestEvaluate:
    def test_it_looks_at_the_lists_and_stores_nothing(self) -> None:
        evaluation = evaluate(make_context(email="Blocked@example.com "))

        assert evaluation.decision is Ruling.BLOCK
        assert evaluation.ruleset_version == 1
        assert not Decision.objects.exists()


class TestReviews:
    def make_case(self) -> ReviewCase:
        return open_case(make_decision(), due_at=None)

    def test_a_case_is_opened_once(self) -> None:
        decision = make_decision()

        assert open_case(decision, due_at=None) == open_case(decision, due_at=None)

    def test_a_claimed_case_is_not_claimed_again(self) -> None:
        case, first, second = self.make_case(), make_user(), make_user()
        claim_case(case, by=first)

        with pytest.raises(ReviewClaimed):
            claim_case(ReviewCase.objects.get(pk=case.pk), by=second)

        case.refresh_from_db()
        assert case.claimed_by == first

    def test_a_closed_case_is_not_claimed(self) -> None:
        case, stale = self.make_case(), None
        stale = ReviewCase.objects.get(pk=case.pk)
        close_case(case, outcome="rejected", by=None, note="")

        with pytest.raises(ReviewClosed):
            claim_case(stale, by=make_user())

    def test_the_first_verdict_stands(self) -> None:
        case, first, second = self.make_case(), make_user(), make_user()
        slower = ReviewCase.objects.get(pk=case.pk)
        closed = close_case(case, outcome="approved", by=first, note="Known customer.")

        with pytest.raises(ReviewClosed):
            close_case(slower, outcome="rejected", by=second, note="")

        case.refresh_from_db()
        assert (closed.outcome, case.outcome, case.closed_by, case.note) == (
            "approved",
            "approved",
            first,
            "Known customer.",
        )
        assert case.closed_at is not None

    def test_a_verdict_reaches_a_case_that_was_claimed_meanwhile(self) -> None:
        case = self.make_case()
        claim_case(ReviewCase.objects.get(pk=case.pk), by=make_user())

        close_case(case, outcome="expired", by=None, note="")

        assert (case.state, case.outcome, case.closed_by) == ("closed", "expired", None)

    def test_only_who_has_a_case_releases_it(self) -> None:
        case, holder = self.make_case(), make_user()
        claim_case(case, by=holder)

        with pytest.raises(InvalidTransition):
            release_case(case, by=make_user())
        release_case(case, by=holder)

        assert list(ReviewCase.objects.unclaimed()) == [case]

    def test_a_page_that_is_out_of_date_takes_no_case_from_its_new_holder(self) -> None:
        case, holder, other = self.make_case(), make_user(), make_user()
        claim_case(case, by=holder)
        stale = ReviewCase.objects.get(pk=case.pk)
        assign_case(case, to=other, by=holder)

        with pytest.raises(InvalidTransition):
            release_case(stale, by=holder)
        with pytest.raises(InvalidTransition):
            assign_case(stale, to=holder, by=holder)

        assert list(ReviewCase.objects.held_by(other)) == [case]

    def test_an_escalated_case_is_nobodys_until_it_is_assigned(self) -> None:
        case, senior = self.make_case(), make_user()
        escalate_case(case, by=make_user(), reason="Too large for me.")
        assert claim_next(ReviewCase.objects.all(), by=make_user()) is None

        assign_case(case, to=senior, by=make_user())

        assert (case.state, case.claimed_by) == ("claimed", senior)

    def test_the_next_case_is_the_most_urgent_that_nobody_has(self) -> None:
        now, person = timezone.now(), make_user()
        later, sooner = (open_case(make_decision(), due_at=now + timedelta(hours=hours)) for hours in (2, 1))

        taken = [claim_next(ReviewCase.objects.all(), by=person) for _ in range(3)]

        assert taken == [sooner, later, None]

    def test_what_people_do_is_written_down_and_what_time_does_is_not(self) -> None:
        case, person = self.make_case(), make_user(username="ann")
        claim_case(case, by=person)
        escalate_case(case, by=person, reason="Too large for me.")
        close_case(case, outcome="approved", by=person, note="Known customer.")
        close_case(self.make_case(), outcome="expired", by=None, note="Nobody decided in time.")

        told = [(entry.user.username, entry.change_message) for entry in LogEntry.objects.order_by("id")]

        assert told == [
            ("ann", "Claimed: open → claimed by ann."),
            ("ann", "Escalated: claimed by ann → escalated. Too large for me."),
            ("ann", "Approved: escalated → closed as approved. Known customer."),
        ]


class TestListEntries:
    def test_adding_a_value_again_changes_its_entry(self) -> None:
        add_list_entry("fp_1", kind=ListKind.CARD, list_name=ListName.BLOCK, reason="first")
        add_list_entry(" fp_1 ", kind=ListKind.CARD, list_name=ListName.BLOCK, reason="second")

        assert [entry.reason for entry in ListEntry.objects.filter(kind="card")] == ["second"]

    def test_a_value_of_another_kind_is_refused(self) -> None:
        with pytest.raises(InvalidListEntry):
            add_list_entry("not an address", kind=ListKind.IP, list_name=ListName.BLOCK)
