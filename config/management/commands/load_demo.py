from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from config.demo_data import accounts, history, shop
from config.demo_data.journal import SandboxError


class Command(BaseCommand):
    help = "Loads what is missing of the demo data: people, an API client, stock, list entries, some weeks of history."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-history", action="store_true", help="no past orders")

    def handle(self, *, no_history: bool, **_: Any) -> None:
        with transaction.atomic():
            password, changed = accounts.make_staff(settings.DEMO_PASSWORD)
            client, token = accounts.make_client()
            shop.fill_shelves()
            shop.fill_lists()
        lines = {
            "admin page": f"http://127.0.0.1:{settings.PORT}/admin/",
            "users": ", ".join(accounts.STAFF),
            "password": _about_password(password, changed),
            "API client": accounts.CLIENT,
            "API token": token,
        }
        for label, text in lines.items():
            self.stdout.write(f"{label:<12}{text}")
        if not no_history and "sandbox" in settings.GATEWAYS and not history.is_loaded(client):
            self._load_history(client)

    def _load_history(self, client: Any) -> None:
        """History is worth nothing without its other half: a missing sandbox costs the history, not the rest."""
        try:
            count = history.load_history(client, now=timezone.now())
        except SandboxError as error:
            self.stderr.write(f"history     not loaded: {error}; run load_demo again once it does")
        else:
            self.stdout.write(f"{'history':<12}{count} orders, in the sandbox's journal too")


def _about_password(password: str, changed: list[str]) -> str:
    if not changed:
        return "as it was; set DEMO_PASSWORD to change it"
    return password if len(changed) == len(accounts.STAFF) else f"{password} (of {', '.join(changed)} alone)"
