"""Who has tried how often, where there is no Redis to count it."""

from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Now


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
