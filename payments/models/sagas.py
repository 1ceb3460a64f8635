"""A saga's row is the queue and its own outbox: whatever is due can be found here, and nowhere else."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from orders.ids import TypedModel, new_id
from orders.models import ACCESS_ALL_CLIENTS, Order
from payments.models.idempotency import IdempotencyKey
from payments.nudges import nudge

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class SagaQuerySet(models.QuerySet["SagaExecution"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if user.has_perm(ACCESS_ALL_CLIENTS) else self.filter(order__client_id=user.pk)

    def unleased(self) -> Self:
        """Nobody works on these now. Computed on the database's clock."""
        return self.filter(Q(lease_until=None) | Q(lease_until__lt=Now()))

    def claimable(self, versions: Iterable[tuple[str, int]]) -> Self:
        """What a worker that knows `versions` (definition, version) may claim."""
        known = Q(pk__in=[])
        for definition, version in versions:
            known |= Q(definition=definition, version=version)
        return self.filter(known, state__in=SagaExecution.ACTIVE, is_paused=False).unleased()

    def due(self, versions: Iterable[tuple[str, int]]) -> Self:
        """What it should claim now, longest waiting first."""
        return self.claimable(versions).filter(next_run_at__lte=Now()).order_by("next_run_at")

    def begin(self, **fields: Any) -> "SagaExecution":
        """Insert a saga. Unless its first lease comes with it, it is due, and left to a worker."""
        saga = self.create(**fields)
        if not saga.lease_owner:
            nudge(saga.pk)
        return saga


class SagaExecution(TypedModel):
    """One run of a saga. Every write after the claim says `WHERE id AND epoch`."""

    PREFIX = "saga"

    class State(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        WAITING = "waiting"
        COMPENSATING = "compensating"
        NEEDS_ATTENTION = "needs_attention"
        FAILED_COMPENSATION = "failed_compensation"
        COMPLETED = "completed"
        COMPENSATED = "compensated"
        RESOLVED = "resolved"

    class Direction(models.TextChoices):
        FORWARD = "forward"
        COMPENSATING = "compensating"

    ACTIVE = (State.PENDING, State.RUNNING, State.WAITING, State.COMPENSATING)
    STUCK = (State.NEEDS_ATTENTION, State.FAILED_COMPENSATION)
    FINAL = (State.COMPLETED, State.COMPENSATED, State.RESOLVED)

    definition = models.CharField(max_length=32)
    version = models.PositiveSmallIntegerField()
    business_key = models.CharField(max_length=160)
    order = models.ForeignKey(Order, models.PROTECT, related_name="sagas")
    idempotency_key = models.OneToOneField(IdempotencyKey, models.PROTECT, null=True, related_name="saga")
    state = models.CharField(max_length=20, choices=State, default=State.PENDING)
    direction = models.CharField(max_length=12, choices=Direction, default=Direction.FORWARD)
    cursor = models.PositiveSmallIntegerField(default=0, help_text="Position of the step to run.")
    context = models.JSONField(default=dict, help_text="What the steps know; its shape is the definition's.")
    failure = models.JSONField(default=dict, blank=True, help_text="Why it is being undone: code and detail.")
    next_run_at = models.DateTimeField(db_default=Now())
    wake_seq = models.PositiveIntegerField(default=0)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    epoch = models.PositiveIntegerField(default=0, help_text="Rises with every claim: the fence against stale workers.")
    moved_epoch = models.PositiveIntegerField(
        db_default=0,
        default=0,
        help_text="The epoch at which anything came of it last: whoever has seen it since sees it as it is.",
    )
    recoveries = models.PositiveIntegerField(default=0, help_text="How often a worker died on it.")
    is_paused = models.BooleanField(default=False)
    has_persons_word = models.BooleanField(
        default=False, help_text="People's word stands for one of its steps: in the end it is resolved."
    )
    deadline_at = models.DateTimeField(null=True, blank=True, help_text="When waiting ends by policy.")
    waiting_for = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = SagaQuerySet.as_manager()

    class Meta:
        permissions: ClassVar = [
            ("retry_saga", "Can have a saga try again"),
            ("look_up_saga", "Can ask the gateway about a saga"),
            ("skip_step", "Can have a step of a saga counted as done"),
            ("edit_saga_context", "Can change what a saga's steps know"),
            ("resolve_unknown", "Can settle an unknown outcome by the gateway's reference"),
            ("mark_compensated", "Can state that something was undone elsewhere"),
            ("compensate_saga", "Can have a saga undone"),
            ("pause_saga", "Can pause and resume a saga"),
            ("force_complete_saga", "Can force a saga to be complete"),
            ("force_fail_saga", "Can force a saga to have failed"),
            ("approve_intervention", "Can approve or refuse what somebody else wants to do about a saga"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["definition", "business_key"], name="one_saga_per_business_key"),
        ]
        indexes: ClassVar = [
            # What the sweep reads many times a second: only the rows that can become due.
            models.Index(
                fields=["next_run_at"],
                name="saga_due",
                condition=Q(state__in=["pending", "running", "waiting", "compensating"], is_paused=False),
            ),
            models.Index(fields=["state", "-id"], name="saga_by_state"),
            models.Index(fields=["-id"], name="saga_paused", condition=Q(is_paused=True)),
        ]

    def __str__(self) -> str:
        return self.public_id

    def is_as_seen_at(self, epoch: int) -> bool:
        """Whether it still stands as at `epoch`. A worker that only asks once more claims it, and moves nothing."""
        return self.moved_epoch <= epoch <= self.epoch

    @property
    def is_final(self) -> bool:
        return self.state in self.FINAL

    def wake(self) -> None:
        """Make the saga due, in the transaction of what woke it; a wake-up is never lost to a saga about to park."""
        SagaExecution.objects.filter(pk=self.pk).update(next_run_at=Now(), wake_seq=F("wake_seq") + 1)
        nudge(self.pk)


_S = SagaExecution.State
NEXT: dict[SagaExecution.State, set[SagaExecution.State]] = {
    _S.PENDING: {_S.RUNNING, _S.NEEDS_ATTENTION},
    _S.RUNNING: {_S.WAITING, _S.COMPENSATING, _S.NEEDS_ATTENTION, _S.COMPLETED, _S.RESOLVED},
    _S.WAITING: {_S.RUNNING, _S.COMPENSATING, _S.NEEDS_ATTENTION},
    _S.COMPENSATING: {_S.WAITING, _S.NEEDS_ATTENTION, _S.FAILED_COMPENSATION, _S.COMPENSATED, _S.RESOLVED},
    _S.NEEDS_ATTENTION: {_S.RUNNING, _S.COMPENSATING, _S.RESOLVED},
    _S.FAILED_COMPENSATION: {_S.RUNNING, _S.COMPENSATING, _S.RESOLVED},
    _S.COMPLETED: set(),
    _S.COMPENSATED: set(),
    _S.RESOLVED: set(),
}


class SagaStep(models.Model):
    """One step, in one direction: its frozen request before it is sent, its outcome after."""

    class State(models.TextChoices):
        STARTED = "started"
        DONE = "done"
        FAILED = "failed"

    class Outcome(models.TextChoices):
        OK = "ok"
        DECLINED = "declined"
        UNKNOWN = "unknown"
        NOT_NEEDED = "not_needed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    saga = models.ForeignKey(SagaExecution, models.PROTECT, related_name="steps")
    position = models.PositiveSmallIntegerField()
    direction = models.CharField(max_length=12, choices=SagaExecution.Direction)
    name = models.CharField(max_length=40)
    state = models.CharField(max_length=8, choices=State, default=State.STARTED)
    key = models.CharField(max_length=120, blank=True, help_text="The idempotency key sent to the gateway.")
    key_number = models.PositiveSmallIntegerField(default=0, help_text="Rises when an answered call did not happen.")
    key_first_used_at = models.DateTimeField(null=True, blank=True)
    request = models.JSONField(default=dict, blank=True)
    send_before = models.DateTimeField(
        null=True, blank=True, help_text="After this the request may not be sent; empty when it certainly was not."
    )
    is_answered = models.BooleanField(default=False, help_text="The last call was answered, with nothing of use.")
    result = models.JSONField(default=dict, blank=True)
    told = models.JSONField(
        default=dict,
        blank=True,
        help_text="What a gateway that cannot be asked has told of the request by itself: its first final word.",
    )
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often the request may have been sent.")
    look_ups = models.PositiveSmallIntegerField(default=0, help_text="How often its outcome was asked for in vain.")
    error = models.JSONField(default=dict, blank=True)
    calls = models.JSONField(default=list, blank=True, help_text="Each exchange with the gateway, redacted.")
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["saga", "position", "direction"], name="one_step_per_position_direction"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.direction})"

    def told_now(self) -> dict[str, Any]:
        """What has been told of the request under the present key, as the row has it, whatever this copy says."""
        told: dict[str, Any] = SagaStep.objects.values_list("told", flat=True).get(pk=self.pk)
        return told if told.get("key") == self.key else {}


class SagaEvent(models.Model):
    """What happened to a saga beside its steps, who did it and why. Append-only, held so by the database."""

    saga = models.ForeignKey(SagaExecution, models.PROTECT, related_name="events")
    kind = models.CharField(max_length=40)
    actor = models.CharField(max_length=150, blank=True)
    reason = models.TextField(blank=True)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} ({self.saga_id})"
