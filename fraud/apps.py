from typing import Any

from django.apps import AppConfig, apps
from django.apps.registry import Apps
from django.db.models.signals import post_migrate

from fraud.defaults import install_default_ruleset


class FraudConfig(AppConfig):
    name = "fraud"

    def ready(self) -> None:
        post_migrate.connect(_install_default_ruleset, sender=self)


def _install_default_ruleset(sender: AppConfig, apps: Apps = apps, **kwargs: Any) -> None:
    """There are rules from the first migration on, and again after the tables were emptied."""
    try:
        models = apps.get_model("fraud", "RuleSet"), apps.get_model("fraud", "Rule")
    except LookupError:  # Migrated back to before there were any.
        return
    install_default_ruleset(*models)
