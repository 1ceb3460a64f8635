"""Rules, what they decide, and what people are asked about it. Each room holds one subject."""

from fraud.models.decisions import Decision
from fraud.models.reviews import NEXT, ReviewCase, ReviewCaseQuerySet
from fraud.models.rules import ListEntry, Rule, RuleSet, active_ruleset_and_listings
from fraud.models.velocity import VelocityAttempt

__all__ = [
    "NEXT",
    "Decision",
    "ListEntry",
    "ReviewCase",
    "ReviewCaseQuerySet",
    "Rule",
    "RuleSet",
    "VelocityAttempt",
    "active_ruleset_and_listings",
]
