from typing import ClassVar, Self

from django.db import connection, models
from django.db.models import Q
from django.db.models.functions import Now


class CaptureStopQuerySet(models.QuerySet["CaptureStop"]):
    def in_force(self) -> "CaptureStop | None":
        """The stop that holds now, to be looked at."""
        return self.filter(is_over=False).first()

    def newest(self) -> Self:
        return self.order_by("-id")

    def hold(self) -> "CaptureStop | None":
        """The stop that holds until the caller's transaction has ended; None while captures may begin.

        On PostgreSQL this takes the table's ROW SHARE lock even where it finds no row, so `lock` waits for whoever has
        found none, and whoever comes after `lock` sees what came of it. On SQLite one transaction writes at a time.
        """
        return self.select_for_update().filter(is_over=False).first()

    def lock(self) -> None:
        """Keep everybody from beginning a capture until the caller's transaction has ended; reading goes on.

        The lock stands in PostgreSQL's queue: however many captures begin, it is had as soon as those before it commit.
        """
        if connection.features.has_select_for_update:
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE payments_capturestop IN EXCLUSIVE MODE")


class CaptureStop(models.Model):
    """A time in which no capture was begun: who stopped them all and why, and who let them go on."""

    is_over = models.BooleanField(default=False)
    stopped_at = models.DateTimeField(db_default=Now())
    stopped_by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500)
    resumed_at = models.DateTimeField(null=True, blank=True)
    resumed_by = models.CharField(max_length=150, blank=True)
    resumed_because = models.CharField(max_length=500, blank=True)

    objects = CaptureStopQuerySet.as_manager()

    class Meta:
        verbose_name = "stop of captures"
        verbose_name_plural = "captures"
        default_permissions: ClassVar = ["view"]
        permissions: ClassVar = [("stop_captures", "Can stop all captures, and let them go on")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["is_over"], condition=Q(is_over=False), name="one_capture_stop_at_a_time"),
            models.CheckConstraint(
                condition=Q(is_over=True, resumed_at__isnull=False) | Q(is_over=False, resumed_at__isnull=True),
                name="capture_stop_over_when_resumed",
            ),
        ]

    def __str__(self) -> str:
        return f"captures stopped by {self.stopped_by}"
