"""Evaluates a ruleset: every rule of the stage is asked, and block > challenge > review by score > approve.

Pure and total: a rule that raises asks for a review, in a verdict of its own name, and never stops a checkout.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from fraud.facts import Context, Ruling, Stage, Verdict
from fraud.rules import KINDS, AttemptLimit, InvalidParameters

EARLIER_STAGE = "earlier_stage"
"""The name of the verdict that carries the score of the stage before."""

NO_RULESET = "ruleset"
"""The name of the verdict given when there are no rules to ask."""


class Mode(StrEnum):
    """A rule goes off -> shadow (recorded only) -> rollout (counts for some customers) -> live."""

    OFF = "off"
    SHADOW = "shadow"
    ROLLOUT = "rollout"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class CompiledRule:
    name: str
    stages: frozenset[Stage]
    judge: Callable[[Context, Any], Verdict | None]
    parameters: object
    mode: Mode = Mode.LIVE
    rollout_percent: int = 0

    def is_asked_at(self, stage: Stage | None) -> bool:
        return self.mode is not Mode.OFF and (stage is None or stage in self.stages)

    def is_shadow_for(self, context: Context) -> bool:
        if self.mode is Mode.ROLLOUT:
            return not self._is_rolled_out_to(context.customer_id)
        return self.mode is Mode.SHADOW

    def _is_rolled_out_to(self, customer_id: str | None) -> bool:
        """The same customers at every evaluation, and other ones for every rule."""
        if customer_id is None:
            return False
        digest = hashlib.sha256(f"{self.name}:{customer_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % 100 < self.rollout_percent


@dataclass(frozen=True, slots=True)
class CompiledRuleSet:
    """`review_score` is the sum of scores from which a checkout is reviewed."""

    version: int
    review_score: int
    rules: tuple[CompiledRule, ...]

    @property
    def windows(self) -> frozenset[int]:
        """The windows, in seconds, over which velocity has to be counted for these rules."""
        asked = (rule.parameters for rule in self.rules if rule.mode is not Mode.OFF)
        return frozenset(parameters.window_seconds for parameters in asked if isinstance(parameters, AttemptLimit))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`failed` maps the name of each rule that raised to its error."""

    decision: Ruling
    score: int
    ruleset_version: int
    verdicts: tuple[Verdict, ...]
    failed: tuple[tuple[str, Exception], ...] = ()


def compile_rule(name: str, kind: str, parameters: object, mode: str, rollout_percent: int = 0) -> CompiledRule:
    """A rule ready to be asked. One that cannot be read fails whenever it is asked, so that it is seen."""
    try:
        if kind not in KINDS:
            raise InvalidParameters(f"There is no kind of rule called {kind!r}.")
        known = KINDS[kind]
        return CompiledRule(name, known.stages, known.judge, known.parse(parameters), Mode(mode), rollout_percent)
    except InvalidParameters as error:
        return CompiledRule(name, frozenset(Stage), _fail, error, Mode(mode), rollout_percent)


def _fail(context: Context, error: InvalidParameters) -> Verdict | None:
    raise error


def evaluate(ruleset: CompiledRuleSet | None, context: Context) -> Evaluation:
    """Ask every rule of the context's stage. Without a ruleset the answer is a review: nobody screened it."""
    if ruleset is None:
        missing = Verdict(NO_RULESET, Ruling.REVIEW, "There is no active ruleset.", score=1)
        return Evaluation(Ruling.REVIEW, missing.score, 0, (missing,))
    failed: list[tuple[str, Exception]] = []
    verdicts = (*_carried_over(context), *_ask(ruleset, context, failed))
    decision, score = combine(verdicts, ruleset.review_score)
    return Evaluation(decision, score, ruleset.version, verdicts, tuple(failed))


def combine(verdicts: Sequence[Verdict], review_score: int) -> tuple[Ruling, int]:
    """The decision and the score of the verdicts that count: block > challenge > review by score > approve."""
    counted = [verdict for verdict in verdicts if not verdict.shadow]
    score = sum(verdict.score for verdict in counted)
    asked_for = {verdict.decision for verdict in counted}
    for decision in (Ruling.BLOCK, Ruling.CHALLENGE):
        if decision in asked_for:
            return decision, score
    return (Ruling.REVIEW if score >= review_score else Ruling.APPROVE), score


def _carried_over(context: Context) -> Iterable[Verdict]:
    if context.prior_score:
        yield Verdict(EARLIER_STAGE, Ruling.REVIEW, "Scored before the authorization.", context.prior_score)


def _ask(ruleset: CompiledRuleSet, context: Context, failed: list[tuple[str, Exception]]) -> Iterator[Verdict]:
    for rule in ruleset.rules:
        if not rule.is_asked_at(context.stage):
            continue
        try:
            verdict = rule.judge(context, rule.parameters)
        except Exception as error:
            failed.append((rule.name, error))
            verdict = Verdict(rule.name, Ruling.REVIEW, "The rule could not be evaluated.", ruleset.review_score)
        if verdict:
            yield replace(verdict, rule=rule.name, shadow=rule.is_shadow_for(context))
