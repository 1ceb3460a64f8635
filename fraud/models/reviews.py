"""What people are asked to decide."""

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from fraud.errors import ReviewClosed
from fraud.models.decisions import Decision
from orders.errors import InvalidTransition
from orders.ids import TypedModel
from orders.models import Order

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


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
