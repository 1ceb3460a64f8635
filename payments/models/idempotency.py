from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

FORM = "a form of the back office"
"""The fingerprint of what a person sends from a page: no client's request has such a one."""


class IdempotencyKey(models.Model):
    """One request of one client, whatever becomes of it; `answer` is frozen by the commit that settles it."""

    client = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 over method, path, query and canonical body.")
    request_id = models.CharField(max_length=128, blank=True, help_text="The X-Request-ID of the first use.")
    status = models.PositiveSmallIntegerField(null=True, help_text="The HTTP status, once the answer is frozen.")
    headers = models.JSONField(default=dict)
    answer = models.BinaryField(default=b"")
    created_at = models.DateTimeField(db_default=Now())
    frozen_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            # The key stands first: people look for one without knowing whose it is.
            models.UniqueConstraint(fields=["key", "client"], name="one_use_per_client_and_key"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["created_at"], name="idempotency_key_by_age"),
            models.Index(fields=["request_id"], name="idempotency_key_by_request"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def is_of_person(self) -> bool:
        """Whether `client` is somebody who did it in the back office."""
        return self.fingerprint == FORM

    @property
    def is_frozen(self) -> bool:
        return self.status is not None
