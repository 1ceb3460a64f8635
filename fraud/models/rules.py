"""Rulesets and lists. A ruleset's rules are never changed once it is active: another version takes its place."""

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar, Self
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Cast, Now

from fraud.engine import Mode
from fraud.facts import Listing, ListKind, ListName, normalize
from fraud.rules import KINDS, InvalidParameters
from orders.ids import TypedModel


def choices(values: Iterable[StrEnum | str]) -> list[tuple[str, str]]:
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
    kind = models.CharField(max_length=32, choices=choices(KINDS))
    parameters = models.JSONField(default=dict, blank=True)
    mode = models.CharField(max_length=8, choices=choices(Mode), default=Mode.OFF.value)
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

    list_name = models.CharField("list", max_length=8, choices=choices(ListName))
    kind = models.CharField(max_length=8, choices=choices(ListKind))
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
