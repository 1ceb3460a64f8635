"""The page that tells how each gateway does, and lets people have one left alone; and the record of every call."""

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from orders.admin.pages import ReadOnly
from orders.errors import InvalidTransition
from payments import circuits
from payments.admin.gateway_figures import panels
from payments.models import CircuitBreaker

MAY_FORCE: Final = "payments.force_circuit"
PAGE: Final = "payments_circuitbreaker_changelist"
AUTOMATIC: Final = "automatic"
TOLD: Final[Mapping[str, str]] = {
    "open": "“{}” is left alone now, until somebody changes that here.",
    "closed": "“{}” is asked now, whatever comes of it, until somebody changes that here.",
    AUTOMATIC: "The breaker of “{}” decides again.",
}


class ForceForm(forms.Form):
    gateway = forms.ChoiceField(choices=lambda: [(name, name) for name in circuits.names()])
    do = forms.ChoiceField(choices=[("open", "Leave it alone"), ("closed", "Ask it"), (AUTOMATIC, "Automatic")])
    reason = forms.CharField(
        max_length=circuits.LONGEST_REASON,
        widget=AdminTextInputWidget,
        error_messages={"required": "Nothing was changed: say why, a reason is needed."},
    )


@admin.register(CircuitBreaker)
class CircuitBreakerAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """One page: how each gateway stands, its figures and last calls, and the switch."""

    def get_urls(self) -> list[URLPattern]:
        return [path("", self.admin_site.admin_view(self.page), name=PAGE)]

    def page(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = ForceForm(request.POST or None)
        if request.method == "POST":
            if not request.user.has_perm(MAY_FORCE):
                raise PermissionDenied
            if form.is_valid():
                self._decide(request, **form.cleaned_data)
                return HttpResponseRedirect(reverse(f"admin:{PAGE}"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Gateways",
            "opts": self.opts,
            "panels": panels(shows_calls=request.user.has_perm("payments.view_gatewaycall")),
            "form": form,
            "wrong": form.data.get("gateway", ""),
            "longest_reason": circuits.LONGEST_REASON,
            "may_force": request.user.has_perm(MAY_FORCE),
        }
        template = "admin/payments/circuitbreaker/page.html"
        return TemplateResponse(request, template, context, status=400 if form.errors else 200)

    def _decide(self, request: HttpRequest, *, gateway: str, do: str, reason: str) -> None:
        by: Any = request.user
        try:
            circuits.decide(gateway, forced=circuits.AUTOMATIC if do == AUTOMATIC else do, by=by, reason=reason)
        except InvalidTransition as error:
            self.message_user(request, error.detail, messages.ERROR)
        else:
            self.message_user(request, TOLD[do].format(gateway), messages.SUCCESS)
