"""What people have done, or want to do, about a saga: who, why, and who agreed."""

from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from orders.ids import TypedModel
from orders.models import ACCESS_ALL_CLIENTS
from payments.models.sagas import SagaExecution

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class InterventionQuerySet(models.QuerySet["SagaIntervention"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if user.has_perm(ACCESS_ALL_CLIENTS) else self.filter(saga__order__client_id=user.pk)

    def awaiting(self) -> Self:
        return self.filter(state=SagaIntervention.State.AWAITING_APPROVAL)


class SagaIntervention(TypedModel):
    """One action of a person on one saga, as it stood at `epoch`. Nobody decides alone about what is forced."""

    PREFIX = "int"

    class Action(models.TextChoices):
        """What can be done, and what it is called wherever people read of it."""

        RETRY = "retry", "Try again"
        LOOK_UP = "look_up", "Look up at the gateway"
        SKIP = "skip", "Skip this step"
        EDIT_CONTEXT = "edit_context", "Edit what its steps know"
        RESOLVE_UNKNOWN = "resolve_unknown", "Resolve the unknown outcome"
        MARK_COMPENSATED = "mark_compensated", "Mark as compensated"
        COMPENSATE = "compensate", "Compensate from here"
        PAUSE = "pause", "Pause"
        RESUME = "resume", "Resume"
        FORCE_COMPLETE = "force_complete", "Force to be complete"
        FORCE_FAIL = "force_fail", "Force to have failed"

    class State(models.TextChoices):
        AWAITING_APPROVAL = "awaiting_approval"
        APPLIED = "applied"
        REFUSED = "refused"
        WITHDRAWN = "withdrawn"
        STALE = "stale"

    FORCED = (Action.SKIP, Action.MARK_COMPENSATED, Action.FORCE_COMPLETE, Action.FORCE_FAIL)

    saga = models.ForeignKey(SagaExecution, models.PROTECT, related_name="interventions")
    action = models.CharField(max_length=16, choices=Action)
    arguments = models.JSONField(default=dict, blank=True, help_text="Evidence, what is stated, what is edited.")
    reason = models.TextField()
    epoch = models.PositiveIntegerField(help_text="The saga's epoch that the person saw.")
    is_forced = models.BooleanField(default=False, help_text="It rests on people's word alone.")
    needs_approval = models.BooleanField(default=False)
    state = models.CharField(max_length=17, choices=State)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    decision_note = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True, blank=True)

    objects = InterventionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(reason=""), name="intervention_has_a_reason"),
            models.CheckConstraint(condition=~Q(decided_by=F("requested_by")), name="intervention_decided_by_another"),
            models.CheckConstraint(
                condition=~Q(
                    action__in=["skip", "mark_compensated", "force_complete", "force_fail"], needs_approval=False
                )
                & ~Q(is_forced=True, needs_approval=False),
                name="forced_intervention_needs_approval",
            ),
            models.CheckConstraint(
                condition=~Q(state="applied", needs_approval=True, decided_by=None),
                name="applied_intervention_is_approved",
            ),
            models.CheckConstraint(
                condition=~Q(state="awaiting_approval", needs_approval=False)
                & ~Q(state="awaiting_approval", decided_by__isnull=False)
                & ~Q(state="refused", decided_by=None),
                name="intervention_awaits_or_is_decided",
            ),
            models.UniqueConstraint(
                fields=["saga"], condition=Q(state="awaiting_approval"), name="one_awaiting_intervention_per_saga"
            ),
            # Of two people who saw the same epoch, one acts. Looking up moves nothing, and may be done at any time.
            models.UniqueConstraint(
                fields=["saga", "epoch"],
                condition=Q(state="applied") & ~Q(action="look_up"),
                name="one_applied_intervention_per_epoch",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "-id"], name="intervention_by_state")]

    def __str__(self) -> str:
        return self.public_id

    def decide(self, state: "SagaIntervention.State", *, by: "User | None", note: str) -> bool:
        """Compare-and-swap from awaiting; False when it is decided already."""
        changes = {"state": state, "decided_by": by, "decision_note": note}
        mine = SagaIntervention.objects.awaiting().filter(pk=self.pk)
        if not mine.update(decided_at=Now(), **changes):
            return False
        self.refresh_from_db()
        return True
