"""What screening is tested with: orders, contexts, rulesets and decisions, each as plain as it may be."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Permission, User
from django.utils import timezone

from fraud.engine import Mode
from fraud.facts import Context, Stage
from fraud.models import Decision, ReviewCase, Rule, RuleSet
from fraud.services import decide, open_case
from orders.ids import new_id
from orders.models import Order

ORDER: dict[str, Any] = {
    "currency": "USD",
    "amount_minor": 25_00,
    "customer_id": "customer-1",
    "customer_email": "jo@example.com",
    "billing": {"country": "US", "postal_code": "10001"},
    "shipping": {"country": "US", "postal_code": "10001"},
}


def make_user(*permissions: str, **fields: Any) -> User:
    user = User.objects.create_user(**{"username": f"user-{new_id()}", **fields})
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def make_order(**fields: Any) -> Order:
    return Order.objects.create(**{**ORDER, **fields, "client": fields.get("client") or make_user()})


def make_context(stage: Stage | None = None, **facts: Any) -> Context:
    return Context.of(stage, facts)


def make_rule(kind: str, parameters: Mapping[str, Any], **fields: Any) -> Rule:
    """A live rule of no ruleset yet."""
    return Rule(**{"name": kind, "kind": kind, "parameters": parameters, "mode": Mode.LIVE, **fields})


def activate_rules(rules: Sequence[Rule], *, review_score: int = 50) -> RuleSet:
    """A new version with just these rules takes the place of the active one."""
    version = RuleSet.objects.count() + 1
    ruleset = RuleSet.objects.create(version=version, review_score=review_score)
    for position, rule in enumerate(rules):
        rule.ruleset, rule.position = ruleset, position
        rule.save()
    RuleSet.objects.filter(is_active=True).update(is_active=False)
    RuleSet.objects.filter(pk=ruleset.pk).update(is_active=True)
    return ruleset


def make_decision(order: Order | None = None, **fields: Any) -> Decision:
    """A decision the default rules took about an ordinary order."""
    arguments = {
        "attempt": str(new_id()),
        "stage": Stage.BEFORE_AUTHORIZATION,
        "facts": {},
        "velocity": {},
        **fields,
    }
    return decide(order or make_order(), **arguments)


def make_case_without_checkout(**fields: Any) -> ReviewCase:
    """A case of a decision that no saga waits for, due in a day."""
    due_at = fields.pop("due_at", timezone.now() + timedelta(days=1))
    return open_case(make_decision(**fields), due_at=due_at)
