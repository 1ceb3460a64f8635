"""In which time zone a person reads the back office: a cookie of their browser. The API keeps to UTC."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

COOKIE: Final = "time_zone"
A_YEAR: Final = 365 * 24 * 3600
AREAS: Final = frozenset(
    {"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"}
)


@cache
def names() -> tuple[str, ...]:
    """Zones called after a place; the others are old names, or give a fixed offset under a misleading sign."""
    return ("UTC", *sorted(name for name in available_timezones() if name.partition("/")[0] in AREAS))


def _choices() -> list[tuple[str, str]]:
    return [(name, name.replace("_", " ")) for name in names()]


class Choice(forms.Form):
    name = forms.ChoiceField(label="Show times in", choices=_choices)


def remember(request: HttpRequest, name: str) -> HttpResponse:
    response = HttpResponseRedirect(reverse("admin:index"))
    secure: Any = settings.SESSION_COOKIE_SECURE
    response.set_cookie(COOKIE, name, max_age=A_YEAR, secure=secure, httponly=True, samesite="Lax", path="/admin/")
    return response


class TimeZone:
    """Middleware: what is rendered under `/admin/` is rendered in the person's time zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        name = request.COOKIES.get(COOKIE, "")
        if not request.path.startswith("/admin/") or name not in names():
            return self.get_response(request)
        with timezone.override(ZoneInfo(name)):
            return self.get_response(request)
