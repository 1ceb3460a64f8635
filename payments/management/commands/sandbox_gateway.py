"""`manage.py sandbox_gateway`: the sandbox gateway and carrier, until SIGTERM or Ctrl-C."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from payments.sandbox.process import CannotStart, Options, add_arguments, run

DEFAULT_PORT = 8001


class Command(BaseCommand):
    help = "Serve the sandbox gateway and carrier. It needs no database of Paydesk's: it has a journal of its own."
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        port = urlsplit(settings.SANDBOX_GATEWAY_URL).port or DEFAULT_PORT
        add_arguments(parser, port=port, journal=Path(settings.SANDBOX_JOURNAL))

    def handle(self, *args: Any, **chosen: Any) -> None:
        secrets = settings.SANDBOX_WEBHOOK_SECRETS
        names = ("host", "port", "journal", "webhook_url", "public_url")
        options = Options(**{name: chosen[name] for name in names}, webhook_secrets=secrets)
        try:
            run(options)
        except CannotStart as error:
            raise CommandError(str(error)) from error
