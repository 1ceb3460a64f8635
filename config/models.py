"""Django sends `post_migrate` only to apps that have this module; the groups are made then."""

from typing import ClassVar

from django.db import models


class RateWindow(models.Model):
    """What one token or address has asked for, where neither Redis nor one process alone counts it.

    `count` of the window that ends at `ends_at`, `previous` of the one before; in milliseconds of the database's clock.
    """

    name = models.CharField(max_length=128, primary_key=True)
    ends_at = models.BigIntegerField()
    count = models.PositiveIntegerField()
    previous = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["ends_at"], name="rate_window_by_end")]

    def __str__(self) -> str:
        return self.name
