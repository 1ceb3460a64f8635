"""What is known of an API token is how it begins: enough to name it and to end it, not enough to use it."""

from typing import TYPE_CHECKING

import structlog
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from knox.models import AuthToken

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger(__name__)


def named(token: AuthToken) -> str:
    return f"{token.token_key}… of {token.user}"


# Knox's own text is the digest, and Django writes an object's text wherever it lists what belongs to a user.
AuthToken.__str__ = named


def has_ended(token: AuthToken) -> bool:
    return token.expiry is not None and bool(token.expiry <= timezone.now())


def revoke(token: AuthToken, *, reason: str, by: "User | None" = None) -> bool:
    """End a token for good; False when it has ended already. Its row stays, so that it is known whose it was.

    `by` is the person whose hand it was, in whose name the back office keeps it.
    """
    now = timezone.now()
    with transaction.atomic():
        valid = AuthToken.objects.filter(Q(expiry=None) | Q(expiry__gt=now), pk=token.pk)
        if not valid.update(expiry=now):
            return False
        if by is not None:
            _remember(token, by, f"Revoked: {reason}")
    who = by.get_username() if by else "the command line"
    log.info("api_token_revoked", begins_with=token.token_key, client=token.user.get_username(), by=who, reason=reason)
    return True


def history(token: AuthToken) -> list[LogEntry]:
    """What people did to it, newest first."""
    about = LogEntry.objects.filter(content_type=_kind(), object_id=token.token_key)
    return list(about.select_related("user").order_by("-action_time"))


def _remember(token: AuthToken, by: "User", message: str) -> None:
    LogEntry.objects.create(
        user=by,
        content_type=_kind(),
        object_id=token.token_key,  # not the key of its row: that is the digest
        object_repr=named(token)[:200],
        action_flag=CHANGE,
        change_message=message,
    )


def _kind() -> ContentType:
    return ContentType.objects.get_for_model(AuthToken)
