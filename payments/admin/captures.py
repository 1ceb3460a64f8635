"""The page on which captures are stopped, all at once, and let go on; and what was told on every page meanwhile."""

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
from payments import captures
from payments.models import CaptureStop, SagaExecution
from payments.sagas.run import CAPTURES_STOPPED

MAY_STOP: Final = "payments.stop_captures"
PAGE: Final = "payments_capturestop_changelist"
SHOWN: Final = 50


class SwitchForm(forms.Form):
    """`do` says what the page offered, so that a page that has grown old cannot do the opposite."""

    do = forms.ChoiceField(choices=[("stop", "Stop all captures"), ("resume", "Let captures go on")])
    reason = forms.CharField(
        label="Why",
        max_length=captures.LONGEST_REASON,
        widget=AdminTextInputWidget,
        error_messages={"required": "Nothing was changed: say why, a reason is needed."},
    )


@admin.register(CaptureStop)
class CaptureStopAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """One page: how it stands, the switch, and every time it was thrown."""

    def get_urls(self) -> list[URLPattern]:
        return [path("", self.admin_site.admin_view(self.page), name=PAGE)]

    def page(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = SwitchForm(request.POST or None)
        if request.method == "POST":
            if not request.user.has_perm(MAY_STOP):
                raise PermissionDenied
            if form.is_valid():
                self._switch(request, **form.cleaned_data)
                return HttpResponseRedirect(reverse(f"admin:{PAGE}"))
        return TemplateResponse(
            request,
            "admin/payments/capturestop/page.html",
            {**self.admin_site.each_context(request), **self._standing(request), "form": form},
            status=400 if form.errors else 200,
        )

    def _standing(self, request: HttpRequest) -> Mapping[str, Any]:
        waiting = SagaExecution.objects.filter(state__in=SagaExecution.ACTIVE, waiting_for=CAPTURES_STOPPED)
        return {
            "title": "Captures",
            "opts": self.opts,
            "stop": CaptureStop.objects.in_force(),
            "waiting": waiting.count(),
            "waiting_url": f"{reverse('admin:payments_sagaexecution_changelist')}?waiting_for={CAPTURES_STOPPED}",
            "past": CaptureStop.objects.newest()[:SHOWN],
            "may_stop": request.user.has_perm(MAY_STOP),
        }

    def _switch(self, request: HttpRequest, *, do: str, reason: str) -> None:
        by: Any = request.user
        try:
            if do == "stop":
                captures.stop_captures(by=by, reason=reason)
                told = "All captures are stopped."
            else:
                woken = captures.resume_captures(by=by, reason=reason)
                told = f"Captures go on. Checkouts that waited for it: {woken}; they go on within seconds."
        except InvalidTransition as error:
            self.message_user(request, error.detail, messages.ERROR)
        else:
            self.message_user(request, told, messages.SUCCESS)
