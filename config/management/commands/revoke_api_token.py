from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from knox.models import AuthToken
from knox.settings import CONSTANTS

from config import tokens

SHORTEST: Final = 6


class Command(BaseCommand):
    help = "Ends an API token for good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("prefix", help=f"how the token begins: {SHORTEST} characters at least, as many as it takes")
        parser.add_argument("--reason", default="", help="is logged")

    def handle(self, *, prefix: str, reason: str, **_: Any) -> None:
        token = _token(prefix[: CONSTANTS.TOKEN_KEY_LENGTH])
        if not tokens.revoke(token, reason=reason):
            raise CommandError(f"{token} has ended already")
        self.stdout.write(f"revoked {token}")


def _token(prefix: str) -> AuthToken:
    if len(prefix) < SHORTEST:
        raise CommandError(f"{prefix!r} is too short: give {SHORTEST} characters at least")
    found = list(AuthToken.objects.filter(token_key__startswith=prefix).select_related("user")[:2])
    if not found:
        raise CommandError(f"no token begins with {prefix!r}")
    if len(found) > 1:
        raise CommandError(f"several tokens begin with {prefix!r}: give more of it")
    return found[0]
