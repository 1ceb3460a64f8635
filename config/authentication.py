import hmac
import re
from typing import Any, Final

import structlog
from django.contrib.auth.models import User
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


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, _auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
