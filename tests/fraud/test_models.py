from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from fraud.defaults import DEFAULT_RULES, install_default_ruleset
from fraud.errors import ReviewClosed
from fraud.facts import Listing, ListKind, ListName
from fraud.models import NEXT, Decision, ListEntry, ReviewCase, Rule, RuleSet, active_ruleset_and_listings
from fraud.services import add_list_entry, open_case
from orders.errors import InvalidTransition
from tests.fraud.builders import activate_rules, make_decision, make_order, make_rule, make_user

pytestmark = pytest.mark.django_db


def make_case(**fields: Any) -> ReviewCase:
    case = open_case(make_decision(), due_at=None)
    ReviewCase.objects.filter(pk=case.pk).update(**fields)
    case.refresh_from_db()
    return case


class TestDecisions:
    @pytest.mark.parametrize(
        "change",
        [
            lambda rows: rows.update(decision="approve"),
            lambda rows: rows.update(score=0),
            lambda rows: rows._raw_delete("default"),
        ],
    )
    def test_the_database_refuses_to_change_or_remove_one(self, change: Callable[[Any], object]) -> None:
        decision = make_decision()
        rows = Decision.objects.filter(pk=decision.pk)
        before = rows.values().get()

        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change(rows)

        assert rows.values().get() == before

    def test_the_database_refuses_it_below_the_orm_too(self) -> None:
        make_decision()

        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM fraud_decision")

        assert Decision.objects.count() == 1

    def test_an_attempt_has_one_decision_at_each_stage(self) -> None:
        decision = make_decision()

        with pytest.raises(IntegrityError), transaction.atomic():
            Decision.objects.create(
                order=decision.order,
                attempt=decision.attempt,
                stage=decision.stage,
                decision="approve",
                ruleset_version=1,
            )

    def test_a_client_sees_those_of_its_own_orders(self) -> None:
        mine, others = make_decision(), make_decision()

        assert list(Decision.objects.visible_to(mine.order.client)) == [mine]
        assert set(Decision.objects.visible_to(make_user("orders.access_all_clients"))) == {mine, others}


class TestRuleSets:
    def test_the_default_rules_are_live_after_migrate(self) -> None:
        ruleset = RuleSet.objects.get(is_active=True)

        assert ruleset.version == 1
        assert ruleset.review_score == 50
        assert {rule.kind: rule.parameters for rule in ruleset.rules.all()} == DEFAULT_RULES
        assert {rule.mode for rule in ruleset.rules.all()} == {"live"}

    def test_the_default_rules_are_installed_once(self) -> None:
        activate_rules([])

        install_default_ruleset(RuleSet, Rule)

        assert RuleSet.objects.get(is_active=True).version == 2
        assert RuleSet.objects.count() == 2

    def test_only_one_is_active(self) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            RuleSet.objects.create(version=2, is_active=True)

    def test_a_rule_with_unfit_parameters_is_refused(self) -> None:
        ruleset = RuleSet.objects.get()
        rule = make_rule("velocity", {"limit": 0}, name="strict", ruleset=ruleset, position=9)

        with pytest.raises(ValidationError) as refusal:
            rule.full_clean()

        assert set(refusal.value.message_dict) == {"parameters"}

    def test_a_rule_of_no_known_kind_is_refused(self) -> None:
        rule = make_rule("tarot", {}, ruleset=RuleSet.objects.get(), position=9)

        with pytest.raises(ValidationError, match="tarot"):
            rule.full_clean()


class TestLists:
    def test_a_value_is_normalized_when_it_is_entered(self) -> None:
        entry = ListEntry(list_name="block", kind="email", value=" Blocked@Example.COM ")

        entry.full_clean()

        assert entry.value == "blocked@example.com"

    def test_a_value_of_another_kind_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="not a value of this kind"):
            ListEntry(list_name="block", kind="ip", value="blocked@example.com").full_clean()

    def test_one_query_finds_the_active_ruleset_and_every_list(self, django_assert_num_queries: Any) -> None:
        add_list_entry("blocked@example.com", list_name=ListName.BLOCK)
        add_list_entry("blocked@example.com", list_name=ListName.WATCH)
        add_list_entry("203.0.113.7", kind=ListKind.IP, list_name=ListName.WATCH)
        facts = [(ListKind.EMAIL, "blocked@example.com"), (ListKind.IP, "203.0.113.7"), (ListKind.CARD, "fp_1")]

        with django_assert_num_queries(1):
            ruleset, listings = active_ruleset_and_listings(facts)

        assert ruleset == RuleSet.objects.get(is_active=True).pk
        assert set(listings) == {
            Listing(ListName.BLOCK, ListKind.EMAIL),
            Listing(ListName.WATCH, ListKind.EMAIL),
            Listing(ListName.WATCH, ListKind.IP),
        }

    def test_nothing_known_is_on_no_list(self) -> None:
        add_list_entry("blocked@example.com", list_name=ListName.BLOCK)

        assert active_ruleset_and_listings([])[1] == ()

    def test_a_value_is_listed_under_its_own_kind_only(self) -> None:
        add_list_entry("fp_1", kind=ListKind.DEVICE, list_name=ListName.BLOCK)

        assert active_ruleset_and_listings([(ListKind.CARD, "fp_1")])[1] == ()

    @pytest.mark.parametrize(("minutes", "is_listed"), [(1, True), (-1, False)])
    def test_an_entry_ends_when_it_expires(self, minutes: int, is_listed: bool) -> None:
        expiry = timezone.now() + timedelta(minutes=minutes)
        add_list_entry("blocked@example.com", list_name=ListName.BLOCK, expires_at=expiry)

        _, listings = active_ruleset_and_listings([(ListKind.EMAIL, "blocked@example.com")])

        assert bool(listings) == is_listed


class TestReviews:
    @pytest.mark.parametrize("start", ReviewCase.State)
    @pytest.mark.parametrize("to", ReviewCase.State)
    def test_only_the_transitions_of_the_table_are_possible(
        self, start: ReviewCase.State, to: ReviewCase.State
    ) -> None:
        ends = {state: "approved" if state == ReviewCase.State.CLOSED else "" for state in ReviewCase.State}
        case = make_case(state=start, outcome=ends[start])

        if to in NEXT[start]:
            case.move(to, outcome=ends[to])
        else:
            with pytest.raises((InvalidTransition, ReviewClosed)):
                case.move(to, outcome=ends[to])

        case.refresh_from_db()
        assert case.state == (to if to in NEXT[start] else start)

    def test_the_slower_of_two_racing_transitions_loses(self) -> None:
        case = make_case()
        slower = ReviewCase.objects.get(pk=case.pk)
        case.move(ReviewCase.State.ESCALATED)

        with pytest.raises(InvalidTransition):
            slower.move(ReviewCase.State.CLAIMED)

        case.refresh_from_db()
        assert case.state == ReviewCase.State.ESCALATED

    @pytest.mark.parametrize("fields", [{"state": "closed"}, {"outcome": "approved"}])
    def test_closed_and_having_an_outcome_are_one_thing(self, fields: dict[str, str]) -> None:
        case = make_case()

        with pytest.raises(IntegrityError), transaction.atomic():
            ReviewCase.objects.filter(pk=case.pk).update(**fields)

    def test_a_decision_has_one_case(self) -> None:
        case = make_case()

        with pytest.raises(IntegrityError), transaction.atomic():
            ReviewCase.objects.create(decision=case.decision, order=case.order)

    def test_the_one_due_first_waits_in_front(self) -> None:
        now = timezone.now()
        later, sooner, closed = (make_case(due_at=now + timedelta(hours=hours)) for hours in (2, 1, 0))
        closed.move(ReviewCase.State.CLOSED, outcome="approved")

        assert list(ReviewCase.objects.waiting()) == [sooner, later]


def test_an_order_that_was_screened_cannot_be_removed() -> None:
    decision = make_decision(make_order())

    with pytest.raises(IntegrityError):
        decision.order.delete()
