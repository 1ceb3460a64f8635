from datetime import timedelta

from django.contrib.auth.models import Group, Permission, User
from knox.models import AuthToken


def make_user(
    username: str = "client", *permissions: str, groups: tuple[str, ...] = (), is_active: bool = True
) -> User:
    user = User.objects.create(username=username, is_active=is_active)
    for permission in permissions:
        label, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def make_token(user: User, expiry: timedelta | None = None) -> str:
    _, token = AuthToken.objects.create(user, expiry=expiry)
    return str(token)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
