"""The demo's people and its API client."""

import secrets
from collections.abc import Mapping
from io import StringIO
from typing import Final

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.core.management import call_command

STAFF: Final[Mapping[str, str | None]] = {
    "admin": None,
    "operator": "Operator",
    "operator2": "Operator",
    "analyst": "Fraud analyst",
    "analyst2": "Fraud analyst",
    "finance": "Finance",
    "finance2": "Finance",
    "auditor": "Auditor",
}
"""Each with their group; `admin` needs none."""

CLIENT: Final = "demo-client"


def make_staff(password: str) -> tuple[str, list[str]]:
    """Make who is missing; with a `password`, give it to all of them, else a random one to the new ones alone.

    Return the password that was set and whose it is now; nobody's when all were there and none was given.
    """
    present = set(User.objects.filter(username__in=STAFF).values_list("username", flat=True))
    changed = [name for name in STAFF if password or name not in present]
    password = password or secrets.token_urlsafe(12)
    # Hashing is slow by design, and the password is one and the same: once is enough.
    hashed = make_password(password) if changed else ""
    for name in changed:
        user, _ = User.objects.update_or_create(
            username=name,
            defaults={"password": hashed, "is_staff": True, "is_superuser": STAFF[name] is None},
            create_defaults={
                "password": hashed,
                "is_staff": True,
                "is_superuser": STAFF[name] is None,
                "email": f"{name}@example.com",
            },
        )
        user.groups.add(*Group.objects.filter(name=STAFF[name]))
    return password, changed


def make_client() -> tuple[User, str]:
    """The service account, and a new token of it; raise CommandError when the name is a person's."""
    out = StringIO()
    call_command("create_api_token", CLIENT, group=["API client"], stdout=out)
    return User.objects.get(username=CLIENT), out.getvalue().strip()
