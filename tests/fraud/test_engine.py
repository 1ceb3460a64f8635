from typing import Any

import pytest

from fraud.engine import CompiledRule, CompiledRuleSet, Mode, combine, compile_rule, evaluate
from fraud.facts import Context, Ruling, Stage, Verdict
from tests.fraud.builders import make_context

BLOCK = Verdict("a", Ruling.BLOCK, "")
CHALLENGE = Verdict("b", Ruling.CHALLENGE, "")
EVERY_STAGE = frozenset(Stage)


def review(score: int) -> Verdict:
    return Verdict("c", Ruling.REVIEW, "", score)


def make_rule(verdict: Verdict | None, **fields: Any) -> CompiledRule:
    """A rule that always says the same."""
    fields = {"name": "rule", "stages": EVERY_STAGE, "mode": Mode.LIVE, **fields}
    return CompiledRule(judge=lambda context, parameters: verdict, parameters=None, **fields)


def make_ruleset(*rules: CompiledRule) -> CompiledRuleSet:
    return CompiledRuleSet(version=7, review_score=50, rules=rules)


@pytest.mark.parametrize(
    ("verdicts", "decision", "score"),
    [
        ([], Ruling.APPROVE, 0),
        ([review(49)], Ruling.APPROVE, 49),
        ([review(50)], Ruling.REVIEW, 50),
        ([review(51)], Ruling.REVIEW, 51),
        ([review(25), review(25)], Ruling.REVIEW, 50),
        ([CHALLENGE], Ruling.CHALLENGE, 0),
        ([review(60), CHALLENGE], Ruling.CHALLENGE, 60),
        ([CHALLENGE, BLOCK], Ruling.BLOCK, 0),
        ([review(60), CHALLENGE, BLOCK], Ruling.BLOCK, 60),
    ],
)
def test_block_outranks_challenge_outranks_review_outranks_approval(
    verdicts: list[Verdict], decision: Ruling, score: int
) -> None:
    assert combine(verdicts, review_score=50) == (decision, score)
    assert combine(verdicts[::-1], review_score=50) == (decision, score)


def test_a_ruleset_without_rules_approves() -> None:
    evaluation = evaluate(make_ruleset(), make_context())

    assert evaluation.decision is Ruling.APPROVE
    assert evaluation.ruleset_version == 7


def test_without_a_ruleset_a_person_decides() -> None:
    evaluation = evaluate(None, make_context())

    assert evaluation.decision is Ruling.REVIEW
    assert [verdict.rule for verdict in evaluation.verdicts] == ["ruleset"]


def test_a_shadow_verdict_is_recorded_and_does_not_count() -> None:
    evaluation = evaluate(make_ruleset(make_rule(BLOCK, mode=Mode.SHADOW)), make_context())

    assert evaluation.decision is Ruling.APPROVE
    assert [(verdict.decision, verdict.shadow) for verdict in evaluation.verdicts] == [(Ruling.BLOCK, True)]


def test_a_rule_that_is_off_is_not_asked() -> None:
    assert evaluate(make_ruleset(make_rule(BLOCK, mode=Mode.OFF)), make_context()).verdicts == ()


def test_a_rule_is_asked_at_its_own_stages_only() -> None:
    ruleset = make_ruleset(make_rule(BLOCK, stages=frozenset({Stage.AFTER_AUTHORIZATION})))

    assert evaluate(ruleset, make_context(Stage.BEFORE_AUTHORIZATION)).decision is Ruling.APPROVE
    assert evaluate(ruleset, make_context(Stage.AFTER_AUTHORIZATION)).decision is Ruling.BLOCK
    assert evaluate(ruleset, make_context(None)).decision is Ruling.BLOCK


def test_a_verdict_bears_the_name_of_its_rule() -> None:
    evaluation = evaluate(make_ruleset(make_rule(BLOCK, name="strict")), make_context())

    assert evaluation.verdicts[0].rule == "strict"


def _raise(context: Context, parameters: object) -> Verdict | None:
    raise ZeroDivisionError


def test_a_rule_that_raises_asks_for_a_review_and_is_named() -> None:
    broken = CompiledRule("broken", EVERY_STAGE, _raise, None)
    evaluation = evaluate(make_ruleset(broken, make_rule(None)), make_context())

    assert evaluation.decision is Ruling.REVIEW
    assert [verdict.rule for verdict in evaluation.verdicts] == ["broken"]
    assert [name for name, _ in evaluation.failed] == ["broken"]


def test_a_shadow_rule_that_raises_does_not_count() -> None:
    broken = CompiledRule("broken", EVERY_STAGE, _raise, None, mode=Mode.SHADOW)

    assert evaluate(make_ruleset(broken), make_context()).decision is Ruling.APPROVE


@pytest.mark.parametrize(("kind", "parameters"), [("velocity", {"limit": 0}), ("velocity", None), ("tarot", {})])
def test_a_rule_that_cannot_be_read_asks_for_a_review(kind: str, parameters: object) -> None:
    ruleset = make_ruleset(compile_rule("unreadable", kind, parameters, "live"))

    assert evaluate(ruleset, make_context(Stage.BEFORE_AUTHORIZATION)).decision is Ruling.REVIEW
    assert ruleset.windows == frozenset()


def test_the_score_of_the_stage_before_is_carried_over() -> None:
    ruleset = make_ruleset(make_rule(review(20)))

    assert evaluate(ruleset, make_context(prior_score=29)).decision is Ruling.APPROVE
    assert evaluate(ruleset, make_context(prior_score=30)).decision is Ruling.REVIEW


class TestRollout:
    def share(self, percent: int, name: str = "rule") -> set[str]:
        """The customers out of 1,000 for whom the rule counts."""
        ruleset = make_ruleset(make_rule(BLOCK, name=name, mode=Mode.ROLLOUT, rollout_percent=percent))
        customers = (f"customer-{number}" for number in range(1000))
        decided = {customer: evaluate(ruleset, make_context(customer_id=customer)) for customer in customers}
        assert all(evaluation.verdicts for evaluation in decided.values())
        return {customer for customer, evaluation in decided.items() if evaluation.decision is Ruling.BLOCK}

    def test_it_reaches_about_its_share_of_the_customers(self) -> None:
        assert len(self.share(0)) == 0
        assert 250 < len(self.share(30)) < 350
        assert len(self.share(100)) == 1000

    def test_it_only_ever_adds_customers_as_it_grows(self) -> None:
        assert self.share(10) < self.share(30)

    def test_each_rule_picks_its_own_customers(self) -> None:
        assert self.share(30) != self.share(30, name="another")

    def test_an_unknown_customer_is_not_reached(self) -> None:
        ruleset = make_ruleset(make_rule(BLOCK, mode=Mode.ROLLOUT, rollout_percent=100))

        assert evaluate(ruleset, make_context()).decision is Ruling.APPROVE


def test_only_the_windows_of_rules_that_are_asked_are_counted() -> None:
    parameters = {"limit": 5, "window_seconds": 60, "decision": "block"}
    rules = (
        compile_rule("a", "velocity", parameters, "live"),
        compile_rule("b", "velocity", {**parameters, "window_seconds": 3600}, "shadow"),
        compile_rule("c", "velocity", {**parameters, "window_seconds": 86400}, "off"),
    )

    assert make_ruleset(*rules).windows == {60, 3600}
