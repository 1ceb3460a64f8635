from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from knox.models import AuthToken


class Command(BaseCommand):
    help = "Prints a new API token of a service account, which is made if it is not there."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--group", action="append", default=[], metavar="NAME", help="add the account to this group"
        )
        parser.add_argument("--expires-days", type=int, metavar="DAYS", help="the token's life; without it, unlimited")

    def handle(self, *, username: str, group: Sequence[str], expires_days: int | None, **_: Any) -> None:
        if expires_days is not None and not 1 <= expires_days <= 36_500:
            raise CommandError("--expires-days is a number from 1 to 36500")
        with transaction.atomic():
            account = _service_account(username)
            account.groups.add(*_groups(group))
            expiry = None if expires_days is None else timedelta(days=expires_days)
            _, token = AuthToken.objects.create(account, expiry=expiry)
        self.stdout.write(token)


def _groups(names: Sequence[str]) -> list[Group]:
    found = {group.name: group for group in Group.objects.all()}
    if unknown := sorted(set(names) - set(found)):
        raise CommandError(f"unknown group {', '.join(map(repr, unknown))}; there are {', '.join(sorted(found))}")
    return [found[name] for name in names]


def _service_account(username: str) -> User:
    """The account of that name; CommandError when it is a person's or the name cannot be one."""
    account = User.objects.filter(username=username).first() or _new_account(username)
    if account.is_staff or account.is_superuser or account.has_usable_password():
        raise CommandError(f"{username!r} is a person's account; API tokens belong to service accounts")
    if not account.is_active:
        raise CommandError(f"{username!r} is not active")
    return account


def _new_account(username: str) -> User:
    account = User(username=username, is_staff=False)
    account.set_unusable_password()
    try:
        account.full_clean()
    except ValidationError as error:
        raise CommandError(f"{username!r} cannot be a user name: {' '.join(error.messages)}") from error
    account.save()
    return account
