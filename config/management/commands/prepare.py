from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection

from config.demo_data import accounts


class Command(BaseCommand):
    help = "Migrates the database, and loads the demo data where nobody else works yet. `make run` starts with it."

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stdout.write(f"paydesk: preparing {connection.settings_dict['NAME']} ({connection.vendor})")
        try:
            call_command("migrate", verbosity=0)
        except OperationalError as error:
            raise CommandError(f"the database does not answer: {str(error).splitlines()[0]}") from error
        users = get_user_model().objects
        if not users.exists() or users.filter(username=accounts.CLIENT).exists():
            call_command("load_demo")
