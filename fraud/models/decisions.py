"""What the rules have decided: append-only; the database refuses anything else (migration 0002)."""

from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models.functions import Now

from fraud.facts import Ruling, Stage
from fraud.models.rules import choices
from orders.ids import TypedModel
from orders.models import ACCESS_ALL_CLIENTS, Order

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class DecisionQuerySet(models.QuerySet["Decision"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if user.has_perm(ACCESS_ALL_CLIENTS) else self.filter(order__client_id=user.pk)


class Decision(TypedModel):
    """What one stage of screening decided for one checkout attempt, and everything it was decided upon."""

    PREFIX = "frd"

    order = models.ForeignKey(Order, models.PROTECT, related_name="decisions")
    attempt = models.CharField(max_length=64, help_text="The checkout that was screened.")
    stage = models.CharField(max_length=20, choices=choices(Stage))
    decision = models.CharField(max_length=9, choices=choices(Ruling))
    score = models.PositiveIntegerField(default=0)
    ruleset_version = models.PositiveIntegerField(help_text="0: there was no active ruleset.")
    verdicts = models.JSONField(default=list)
    context = models.JSONField("input", default=dict, help_text="All the facts the rules were given.")
    latency_us = models.PositiveIntegerField(default=0, help_text="Microseconds the lists and rules took.")
    created_at = models.DateTimeField(db_default=Now())

    objects = DecisionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["attempt", "stage"], name="one_decision_per_attempt_and_stage"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["decision", "-id"], name="decision_by_ruling"),
            models.Index(fields=["-created_at"], name="decision_by_age"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def is_blocked(self) -> bool:
        return self.decision == Ruling.BLOCK

    @property
    def wants_challenge(self) -> bool:
        """Whether the gateway is to ask the customer for 3DS."""
        return self.decision == Ruling.CHALLENGE and self.stage == Stage.BEFORE_AUTHORIZATION

    @property
    def wants_review(self) -> bool:
        """Whether a person decides. What is found before the authorization is carried to the stage after it."""
        return self.decision in (Ruling.REVIEW, Ruling.CHALLENGE) and self.stage == Stage.AFTER_AUTHORIZATION
