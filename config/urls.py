from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from config import docs, health
from payments.webhooks.views import Intake

v1: list[URLPattern | URLResolver] = [
    path("openapi.json", docs.openapi, name="openapi"),
    path("docs", docs.reference, name="docs"),
    path("docs/errors", docs.errors, name="errors"),
    path("", include("orders.api.urls")),
    path("", include("payments.api.urls")),
    path("", include("fraud.api.urls")),
    path("webhooks/<str:gateway>", Intake.as_view(), name="webhooks"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="root"),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}paydesk/icon.svg"), name="favicon"),
    path("v1/", docs.home, name="v1"),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", health.scrape, name="metrics"),
    path("admin/", admin.site.urls),
    path("v1/", include(v1)),
]
handler400 = "config.handlers.bad_request"
handler403 = "config.handlers.permission_denied"
handler404 = "config.handlers.not_found"
handler500 = "config.handlers.server_error"
