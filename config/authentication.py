import hmac
import re
from typing import Any, Final

import structlog
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from knox.crypto import hash_token
from knox.models import AuthToken
from knox.settings import CONSTANTS
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

TOKEN: Final = re.compile(rb"[A-Za-z0-9_-]{16,256}")


class TokenAuthentication(KnoxTokenAuthentication):  # type: ignore[misc]
    """`Authorization: Bearer <token>`, read only: knox would walk and delete the user's other tokens on each request.

    Every refusal is the same, so that an answer tells nothing about which tokens and users there are.
    """

    def authenticate(self, request: Request) -> tuple[User, AuthToken] | None:
        try:
            found: tuple[User, AuthToken] | None = super().authenticate(request)
        except UnicodeError as error:
            raise AuthenticationFailed from error
        if found:
            structlog.contextvars.bind_contextvars(client=found[0].get_username())
        return found

    def authenticate_credentials(self, token: bytes) -> tuple[User, AuthToken]:
        if not TOKEN.fullmatch(token):
            raise AuthenticationFailed
        text = token.decode("ascii")
        digest = hash_token(text)
        candidates = AuthToken.objects.filter(token_key=text[: CONSTANTS.TOKEN_KEY_LENGTH]).select_related("user")
        found = next((row for row in candidates if hmac.compare_digest(row.digest, digest)), None)
        if found is None or not found.user.is_active or (found.expiry and found.expiry <= timezone.now()):
            raise AuthenticationFailed
        return found.user, found


class PermissionBackend(ModelBackend):
    """Django's own, but asking for a person's own permissions and those of their groups in one statement."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Of whoever is active; a superuser is asked nothing by Django, and has every one."""
        if user_obj.is_superuser or not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            own = User.user_permissions.through.objects.filter(user=user_obj).values("permission")
            granted = Group.permissions.through.objects.filter(group__user=user_obj).values("permission")
            rows = Permission.objects.filter(Q(pk__in=own) | Q(pk__in=granted)).order_by()
            names = rows.values_list("content_type__app_label", "codename")
            user_obj._perm_cache = {f"{app}.{name}" for app, name in names}
        cached: set[str] = user_obj._perm_cache
        return cached


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, _auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
