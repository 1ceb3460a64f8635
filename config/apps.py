from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.db.models.signals import post_migrate


class ConfigConfig(AppConfig):
    """Wiring as an app: it holds commands and static files, and makes the groups after a migration."""

    name = "config"

    def ready(self) -> None:
        import config.celery  # noqa: F401  # the app that shared tasks belong to
        from config import groups

        post_migrate.connect(groups.make_groups, sender=self)


class ApiAccessConfig(AppConfig):
    """Knox, with our pages in place of its own. Stands below the back office, which finds those first."""

    default = False
    name = "knox"
    verbose_name = "API access"

    def ready(self) -> None:
        import config.token_pages  # noqa: F401


class BackOfficeConfig(admin.AdminConfig):
    """The stock admin, with the site of `config.admin` as its own."""

    default = False
    default_site = "config.admin.BackOffice"
