from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConfigConfig(AppConfig):
    """Wiring as an app: it holds commands and static files, and makes the groups after a migration."""

    name = "config"

    def ready(self) -> None:
        import config.celery  # noqa: F401  # the app that shared tasks belong to
        from config import groups

        post_migrate.connect(groups.make_groups, sender=self)
