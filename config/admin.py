"""The back office: the stock admin with a dashboard in front, and every person's own time zone."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from config import time_zones
from payments.models import CaptureStop


class BackOffice(admin.AdminSite):
    site_header = site_title = "Paydesk"
    index_title = "Back office"
    site_url = None  # there is no other site to view

    def get_urls(self) -> list[Any]:
        own = [
            path("find/", self.admin_view(self.find), name="find"),
            path("time-zone/", self.admin_view(self.time_zone), name="time_zone"),
        ]
        return [*own, *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        stop = CaptureStop.objects.in_force() if self.has_permission(request) else None
        ours = {"time_zone": timezone.get_current_timezone_name(), "captures_stop": stop}
        return {**super().each_context(request), **ours}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        from config import dashboard  # it asks the apps' pages, which register with this site and need it first

        shown = {"dashboard": dashboard.of(request.user, now=timezone.now())}
        return super().index(request, {**shown, **(extra_context or {})})

    def find(self, request: HttpRequest) -> HttpResponse:
        """Where the box at the top of every page leads."""
        from config import finding  # needs the apps' pages, as the dashboard does

        return finding.lead(self, request, request.GET.get("q", "").strip())

    def time_zone(self, request: HttpRequest) -> HttpResponse:
        """The page on which people choose in which zone they read times."""
        form = time_zones.Choice(request.POST or None, initial={"name": timezone.get_current_timezone_name()})
        if request.method == "POST" and form.is_valid():
            return time_zones.remember(request, form.cleaned_data["name"])
        context = {**self.each_context(request), "title": "Time zone", "form": form, "now": timezone.now()}
        return TemplateResponse(request, "admin/time_zone.html", context)
