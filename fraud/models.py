"""Rulesets, lists, decisions and the reviews that follow from them.

A ruleset's rules are never changed once it is active: another version takes its place. Decisions are append-only;
the database refuses anything else (migration 0002).
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Self
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Cast, Now

from fraud.engine import Mode
from fraud.errors import ReviewClosed
from fraud.facts import Listing, ListKind, ListName, Ruling, Stage, normalize
from fraud.rules import KINDS, InvalidParameters
from orders.errors import InvalidTransition
from orders.ids import TypedModel
from orders.models import ACCESS_ALL_CLIENTS, Order

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


def _choices(values: Iterable[StrEnum | str]) -> list[tuple[str, str]]:
    return [(str(value), str(value).replace("_", " ")) for value in values]


class RuleSet(TypedModel):
    """A version of the rules; one is active."""

    PREFIX = "rset"

    version = models.PositiveIntegerField(unique=True)
    review_score = models.PositiveIntegerField(default=50, help_text="From this sum of scores a checkout is reviewed.")
    is_active = models.BooleanField(default=False)
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["is_active"], condition=Q(is_active=True), name="one_active_ruleset"),
        ]

    def __str__(self) -> str:
        return f"ruleset {self.version}"


class Rule(models.Model):
    """One rule of a ruleset: a kind and its parameters."""

    ruleset = models.ForeignKey(RuleSet, models.CASCADE, related_name="rules")
    position = models.PositiveSmallIntegerField()
    name = models.SlugField(max_length=64, help_text="What verdicts call it.")
    kind = models.CharField(max_length=32, choices=_choices(KINDS))
    parameters = models.JSONField(default=dict, blank=True)
    mode = models.CharField(max_length=8, choices=_choices(Mode), default=Mode.OFF.value)
    rollout_percent = models.PositiveSmallIntegerField(default=0, help_text="Of the customers, in mode rollout.")

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["ruleset", "name"], name="one_rule_per_name"),
            models.UniqueConstraint(fields=["ruleset", "position"], name="one_rule_per_position"),
            models.CheckConstraint(condition=Q(rollout_percent__lte=100), name="rollout_at_most_100_percent"),
            models.CheckConstraint(condition=Q(mode__in=[mode.value for mode in Mode]), name="rule_mode_known"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raise ValidationError when the parameters are not what the kind takes."""
        if self.kind not in KINDS:
            return
        try:
            KINDS[self.kind].parse(self.parameters)
        except InvalidParameters as error:
            raise ValidationError({"parameters": str(error)}) from error


class ListEntryQuerySet(models.QuerySet["ListEntry"]):
    def in_force(self) -> Self:
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))

    def naming(self, values: Iterable[tuple[ListKind, str]]) -> Self:
        """Entries for any of these normalized values."""
        wanted = Q(pk__in=[])
        for kind, value in values:
            wanted |= Q(kind=kind, value=value)
        return self.filter(wanted)


class ListEntry(models.Model):
    """A value on the blocklist or the watch list, normalized: e-mail addresses stripped and case-folded."""

    list_name = models.CharField("list", max_length=8, choices=_choices(ListName))
    kind = models.CharField(max_length=8, choices=_choices(ListKind))
    value = models.CharField(max_length=320)
    reason = models.CharField(max_length=200, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    created_at = models.DateTimeField(db_default=Now())

    objects = ListEntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "list entries"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "value", "list_name"],
                name="one_entry_per_list_and_value",
                violation_error_message="This value is on this list already.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.value} ({self.list_name})"

    def clean(self) -> None:
        """Normalize the value; raise ValidationError when it is not of its kind."""
        if self.kind not in list(ListKind) or not self.value:
            return
        value = normalize(ListKind(self.kind), self.value)
        if value is None:
            raise ValidationError({"value": "This is not a value of this kind."})
        self.value = value


def active_ruleset_and_listings(values: Iterable[tuple[ListKind, str]]) -> tuple[UUID | None, tuple[Listing, ...]]:
    """The active ruleset's id and the lists that hold any of `values`, in one query: every checkout asks for both."""
    active = RuleSet.objects.filter(is_active=True).annotate(what=Value(""), which=Cast("pk", models.TextField()))
    listed = ListEntry.objects.in_force().naming(values)
    rows = active.values_list("what", "which").union(listed.values_list("list_name", "kind"), all=True)
    ruleset_id, listings = None, set()
    for what, which in rows:
        if what:
            listings.add(Listing(ListName(what), ListKind(which)))
        else:
            ruleset_id = UUID(which)
    return ruleset_id, tuple(sorted(listings, key=lambda listing: (listing.list_name, listing.kind)))


class DecisionQuerySet(models.QuerySet["Decision"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if user.has_perm(ACCESS_ALL_CLIENTS) else self.filter(order__client_id=user.pk)


class Decision(TypedModel):
    """What one stage of screening decided for one checkout attempt, and everything it was decided upon."""

    PREFIX = "frd"

    order = models.ForeignKey(Order, models.PROTECT, related_name="decisions")
    attempt = models.CharField(max_length=64, help_text="The checkout that was screened.")
    stage = models.CharField(max_length=20, choices=_choices(Stage))
    decision = models.CharField(max_length=9, choices=_choices(Ruling))
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


class ReviewCaseQuerySet(models.QuerySet["ReviewCase"]):
    def waiting(self) -> Self:
        """Cases without a verdict, the one due first in front."""
        return self.exclude(state=ReviewCase.State.CLOSED).order_by("due_at", "id")

    def unclaimed(self) -> Self:
        """What anybody may take next. An escalated case is left to whoever was meant."""
        return self.waiting().filter(state=ReviewCase.State.OPEN)

    def held_by(self, user: "User | AnonymousUser") -> Self:
        return self.waiting().filter(state=ReviewCase.State.CLAIMED, claimed_by_id=user.pk)

    def escalated(self) -> Self:
        return self.waiting().filter(state=ReviewCase.State.ESCALATED)

    def closed(self) -> Self:
        """The last opened in front."""
        return self.filter(state=ReviewCase.State.CLOSED).order_by("-id")


class ReviewCase(TypedModel):
    """A decision a person has to take."""

    PREFIX = "rev"

    class State(models.TextChoices):
        OPEN = "open"
        CLAIMED = "claimed"
        ESCALATED = "escalated"
        CLOSED = "closed"

    class Outcome(models.TextChoices):
        APPROVED = "approved"
        REJECTED = "rejected"
        EXPIRED = "expired"

    decision = models.OneToOneField(Decision, models.PROTECT, related_name="review")
    order = models.ForeignKey(Order, models.PROTECT, related_name="reviews")
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True, default="")
    due_at = models.DateTimeField(null=True, blank=True, help_text="When the authorization is about to expire.")
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="claimed_reviews"
    )
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="closed_reviews"
    )
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = ReviewCaseQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state="closed", outcome__gt="") | (~Q(state="closed") & Q(outcome="")),
                name="review_closed_with_an_outcome",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at", "id"], name="review_waiting", condition=~Q(state="closed")),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def in_words(self) -> str:
        """Where the case stands: "claimed by ann", "closed as approved"."""
        if self.state == ReviewCase.State.CLOSED:
            return f"closed as {self.outcome}"
        return f"claimed by {self.claimed_by}" if self.claimed_by else str(self.state)

    def move(self, to: "ReviewCase.State", **changes: Any) -> None:
        """Raise ReviewClosed or InvalidTransition when the case is not where or with whom it was, or may not move."""
        moved = to in NEXT[ReviewCase.State(self.state)] and ReviewCase.objects.filter(
            pk=self.pk, state=self.state, claimed_by=self.claimed_by_id
        ).update(state=to, **changes)
        if not moved:
            self._refuse(to)
        for name, value in {"state": to, **changes}.items():
            setattr(self, name, value)

    def _refuse(self, to: "ReviewCase.State") -> None:
        found = ReviewCase.objects.filter(pk=self.pk).values_list("state", flat=True).first()
        if found == ReviewCase.State.CLOSED:
            raise ReviewClosed(review=self.public_id)
        raise InvalidTransition(f"The review is {found} now and cannot become {to}.", review=self.public_id)


_S = ReviewCase.State
NEXT: dict[ReviewCase.State, set[ReviewCase.State]] = {
    _S.OPEN: {_S.CLAIMED, _S.ESCALATED, _S.CLOSED},
    _S.CLAIMED: {_S.OPEN, _S.CLAIMED, _S.ESCALATED, _S.CLOSED},
    _S.ESCALATED: {_S.CLAIMED, _S.CLOSED},
    _S.CLOSED: set(),
}


class VelocityAttemptQuerySet(models.QuerySet["VelocityAttempt"]):
    def older_than(self, moment: datetime) -> Self:
        return self.filter(at__lt=moment)


class VelocityAttempt(models.Model):
    """One checkout attempt of one customer, whatever became of it; `key` is a digest of client and customer."""

    key = models.CharField(max_length=64)
    attempt = models.CharField(max_length=64)
    at = models.DateTimeField(db_default=Now())

    objects = VelocityAttemptQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key", "attempt"], name="one_row_per_velocity_attempt"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["key", "at"], name="velocity_by_key"),
            models.Index(fields=["at"], name="velocity_by_age"),
        ]

    def __str__(self) -> str:
        return self.attempt
