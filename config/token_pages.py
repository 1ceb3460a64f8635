"""The API tokens in the back office: whose they are, until when, and the end of one. They are made on the command line.

Knox's own pages are replaced: they show digests, in addresses too, and would show a new token in a message, which is
kept in a cookie.
"""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from knox.models import AuthToken

from config import tokens
from orders.admin.marks import badge
from orders.admin.pages import Record

MAY_REVOKE = "knox.delete_authtoken"


class RevokeForm(forms.Form):
    reason = forms.CharField(label="Why", max_length=200, widget=AdminTextInputWidget)


class ValidityFilter(admin.SimpleListFilter):
    title = "validity"
    parameter_name = "validity"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [("valid", "valid"), ("ended", "ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        has_ended = Q(expiry__lte=timezone.now())
        wanted = {"valid": ~has_ended | Q(expiry=None), "ended": has_ended}
        return queryset.filter(wanted.get(self.value() or "", Q()))


admin.site.unregister(AuthToken)


@admin.register(AuthToken)
class TokenAdmin(Record):
    client_path = "user"
    list_display = ("begins_with", "user", "state", "created", "ends")
    list_display_links = None
    list_filter = (ValidityFilter,)
    list_select_related = ("user",)
    ordering = ("-created",)
    search_fields = ("token_key", "user__username")
    search_help_text = "The token's first 15 characters, or the whole name of its account"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="knox_authtoken_changelist"),
            path("<slug:beginning>/", view(self.page), name="knox_authtoken_page"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "API tokens", **(extra_context or {})})

    def page(self, request: HttpRequest, beginning: str) -> HttpResponse:
        """One token, and the form that ends it."""
        token = self._find(request, beginning)
        may_revoke = request.user.has_perm(MAY_REVOKE)
        if request.method == "POST" and not may_revoke:
            raise PermissionDenied
        form = RevokeForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._revoke(request, token, form.cleaned_data["reason"])
        context = {
            **self.admin_site.each_context(request),
            "title": "API token",
            "opts": self.opts,
            "token": token,
            "state": self.state(token),
            "form": form if may_revoke and not tokens.has_ended(token) else None,
            "history": tokens.history(token),
        }
        status = 400 if form.errors else 200
        return TemplateResponse(request, "admin/knox/authtoken/page.html", context, status=status)

    def _find(self, request: HttpRequest, beginning: str) -> AuthToken:
        if not self.has_view_permission(request):
            raise PermissionDenied
        token = self.get_queryset(request).filter(token_key=beginning).first()
        if token is None:
            raise Http404
        return token

    def _revoke(self, request: HttpRequest, token: AuthToken, reason: str) -> HttpResponse:
        person: Any = request.user
        if tokens.revoke(token, reason=reason, by=person):
            self.message_user(request, "The token is revoked: whoever uses it now is told 401.", messages.SUCCESS)
        else:
            self.message_user(request, "This token had ended already; nothing was done.", messages.WARNING)
        return HttpResponseRedirect(_address(token))

    @admin.display(description="Begins with")
    def begins_with(self, token: AuthToken) -> SafeString:
        return format_html('<a class="id" href="{}">{}</a>', _address(token), token.token_key)

    @admin.display(description="State")
    def state(self, token: AuthToken) -> SafeString:
        return badge("ended", "quiet") if tokens.has_ended(token) else badge("valid", "good")

    @admin.display(description="Ends", empty_value="never")
    def ends(self, token: AuthToken) -> Any:
        return token.expiry


def _address(token: AuthToken) -> str:
    return reverse("admin:knox_authtoken_page", args=[token.token_key])
