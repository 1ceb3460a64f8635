"""What screening does: count, decide, and take what people say about it."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models.functions import Now

from fraud import engine
from fraud.engine import CompiledRuleSet, Evaluation
from fraud.errors import InvalidListEntry, ReviewClaimed, ReviewClosed
from fraud.facts import Context, Listing, ListKind, ListName, Stage, normalize, velocity_fact
from fraud.models import (
    NEXT,
    Decision,
    ListEntry,
    ReviewCase,
    ReviewCaseQuerySet,
    RuleSet,
    active_ruleset_and_listings,
)
from fraud.velocity import count_attempt
from orders.errors import InvalidTransition
from orders.models import Order

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """The ruleset in force, and the lists that name a fact of the order."""

    ruleset_id: UUID | None
    listed: tuple[Listing, ...]


CLOSABLE = [state for state, following in NEXT.items() if ReviewCase.State.CLOSED in following]


def read_standing(order: Order, *, facts: Mapping[str, object]) -> Standing:
    """What is in force for this order, in one query; `facts` as `decide` gets them."""
    return _standing(Context.of(Stage.BEFORE_AUTHORIZATION, {**_facts_of(order), **facts}))


def gather_velocity(order: Order, *, attempt: str, standing: Standing | None = None) -> dict[str, int]:
    """Count this attempt of the order's customer, once however often it is asked; return what the rules look at.

    To be called outside any transaction, before `decide`. Customers of different clients never count together.
    `standing` is what `read_standing` has just said, of a caller that has asked anyway.
    """
    ruleset = load_ruleset(standing.ruleset_id) if standing else load_active_ruleset()
    if ruleset is None or not order.customer_id:
        return {}
    customer = f"{order.client_id}:{order.customer_id}"
    counts = count_attempt(attempt, customer, windows=ruleset.windows)
    return {velocity_fact(window): count for window, count in counts.items()}


def decide(
    order: Order,
    *,
    attempt: str,
    stage: str,
    facts: Mapping[str, object],
    velocity: Mapping[str, int],
    prior_score: int | None = None,
    standing: Standing | None = None,
) -> Decision:
    """Screen one stage of a checkout and store the decision; asked again, return the stored one.

    `facts` are what the order does not know, by the names of `Context`: ip, device_fingerprint, card_fingerprint,
    card_country, card_brand, avs_result, cvv_result; None or empty when unknown. Runs in the caller's transaction;
    of two concurrent first calls the slower one raises IntegrityError. `prior_score` is what the earlier stage scored,
    of a caller who knows that this stage was never decided; by default both are looked up. So is what is in force,
    unless the caller has just read it with `read_standing`.
    """
    if prior_score is None:
        taken = {decision.stage: decision for decision in Decision.objects.filter(attempt=attempt)}
        if stage in taken:
            return taken[stage]
        prior_score = max((decision.score for decision in taken.values()), default=0)
    context = Context.of(
        Stage(stage), {**_facts_of(order), **facts, "velocity": dict(velocity), "prior_score": prior_score}
    )
    started = time.perf_counter_ns()
    evaluation, context = _evaluate(context, standing or _standing(context))
    return Decision.objects.create(
        order=order,
        attempt=attempt,
        stage=stage,
        decision=evaluation.decision,
        score=evaluation.score,
        ruleset_version=evaluation.ruleset_version,
        verdicts=[asdict(verdict) for verdict in evaluation.verdicts],
        context=context.snapshot(),
        latency_us=(time.perf_counter_ns() - started) // 1000,
    )


def evaluate(context: Context) -> Evaluation:
    """What the active ruleset says of `context` and of the lists its facts are on; nothing is stored or counted."""
    return _evaluate(context, _standing(context))[0]


def load_active_ruleset() -> CompiledRuleSet | None:
    return load_ruleset(RuleSet.objects.filter(is_active=True).values_list("pk", flat=True).first())


def open_case(decision: Decision, *, due_at: datetime | None) -> ReviewCase:
    """The review of this decision, opened unless it is there."""
    case, _ = ReviewCase.objects.get_or_create(
        decision=decision, defaults={"order_id": decision.order_id, "due_at": due_at}
    )
    return case


def claim_next(cases: ReviewCaseQuerySet, *, by: "User") -> ReviewCase | None:
    """Claim the most urgent unclaimed one of `cases`; None when there is none. Two people at once get two cases."""
    while (case := cases.unclaimed().first()) is not None:
        try:
            claim_case(case, by=by)
        except (ReviewClaimed, ReviewClosed):
            continue  # somebody else has just taken this one
        return case
    return None


def claim_case(case: ReviewCase, *, by: "User") -> None:
    """Raise ReviewClaimed when somebody has it already, ReviewClosed when it is closed."""
    if case.state == ReviewCase.State.CLAIMED:
        raise ReviewClaimed(review=case.public_id)
    try:
        _hand(case, ReviewCase.State.CLAIMED, "Claimed", to=by, by=by)
    except InvalidTransition as error:
        raise ReviewClaimed(review=case.public_id) from error


def release_case(case: ReviewCase, *, by: "User") -> None:
    """Give one's own case back to the queue. Raise InvalidTransition when `by` does not have it."""
    if case.claimed_by != by:
        raise InvalidTransition("Only who has claimed a review can release it.", review=case.public_id)
    _hand(case, ReviewCase.State.OPEN, "Released", to=None, by=by)


def escalate_case(case: ReviewCase, *, by: "User", reason: str) -> None:
    """Ask for somebody more senior: nobody has the case until it is claimed again, or assigned."""
    _hand(case, ReviewCase.State.ESCALATED, "Escalated", to=None, by=by, reason=reason)


def assign_case(case: ReviewCase, *, to: "User", by: "User") -> None:
    """Give the case to somebody, whoever has it now. Raise InvalidTransition when it has just changed hands."""
    _hand(case, ReviewCase.State.CLAIMED, "Assigned", to=to, by=by)


def prolong_case(case: ReviewCase, *, due_at: datetime) -> None:
    """Give whoever decides more time; what is closed stays as it is."""
    ReviewCase.objects.filter(pk=case.pk, state__in=CLOSABLE).update(due_at=due_at)
    case.refresh_from_db(fields=["due_at", "state", "outcome"])


def close_case(case: ReviewCase, *, outcome: str, by: "User | None", note: str) -> ReviewCase:
    """Close the case, whoever has claimed it; `by` is None when its time ran out.

    Raise ReviewClosed when somebody was first: the first verdict stands.
    """
    before = case.in_words
    closing = {"state": ReviewCase.State.CLOSED, "outcome": outcome, "closed_by": by, "note": note}
    with transaction.atomic():
        if not ReviewCase.objects.filter(pk=case.pk, state__in=CLOSABLE).update(closed_at=Now(), **closing):
            raise ReviewClosed(review=case.public_id)
        case.refresh_from_db()
        if by is not None:
            _note_action(case, outcome.capitalize(), by=by, before=before, reason=note)
    return case


def _hand(
    case: ReviewCase, state: ReviewCase.State, what: str, *, to: "User | None", by: "User", reason: str = ""
) -> None:
    before = case.in_words
    with transaction.atomic():
        case.move(state, claimed_by=to)
        _note_action(case, what, by=by, before=before, reason=reason)


def _note_action(case: ReviewCase, what: str, *, by: "User", before: str, reason: str = "") -> None:
    """Write down who did what, in the commit that does it; people read it in the case's history."""
    because = f" {reason}" if reason else ""
    message = f"{what}: {before} → {case.in_words}.{because}"
    LogEntry.objects.log_actions(by.pk, [case], CHANGE, message, single_object=True)


def add_list_entry(
    value: str,
    *,
    kind: ListKind = ListKind.EMAIL,
    list_name: ListName,
    reason: str = "",
    expires_at: datetime | None = None,
) -> ListEntry:
    """Put a value on a list; if it is there, give it this reason and expiry.

    Raise InvalidListEntry when the value is not one of its kind.
    """
    normalized = normalize(kind, value)
    if normalized is None:
        raise InvalidListEntry(f"Not a value of kind {kind}.")
    entry, _ = ListEntry.objects.update_or_create(
        list_name=list_name, kind=kind, value=normalized, defaults={"reason": reason, "expires_at": expires_at}
    )
    return entry


def _facts_of(order: Order) -> dict[str, object]:
    return {
        "amount_minor": order.amount_minor,
        "currency": order.currency,
        "customer_id": order.customer_id,
        "email": order.customer_email,
        "billing_country": order.billing.get("country"),
        "shipping_country": order.shipping.get("country"),
    }


def _standing(context: Context) -> Standing:
    return Standing(*active_ruleset_and_listings(context.listable().items()))


def _evaluate(context: Context, standing: Standing) -> tuple[Evaluation, Context]:
    """The evaluation, and the context it was made of: with the lists its facts are on."""
    context = replace(context, listed=standing.listed)
    evaluation = engine.evaluate(load_ruleset(standing.ruleset_id), context)
    for rule, error in evaluation.failed:
        log.error("rule_failed", rule=rule, ruleset=evaluation.ruleset_version, error=repr(error))
    return evaluation, context


@lru_cache(maxsize=32)
def load_ruleset(ruleset_id: UUID | None) -> CompiledRuleSet | None:
    """A ruleset ready to be asked; read once, for its rules do not change."""
    if ruleset_id is None:
        return None
    ruleset = RuleSet.objects.get(pk=ruleset_id)
    rules = ruleset.rules.values_list("name", "kind", "parameters", "mode", "rollout_percent")
    return CompiledRuleSet(ruleset.version, ruleset.review_score, tuple(engine.compile_rule(*rule) for rule in rules))
