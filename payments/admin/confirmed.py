"""What people do to a row: a GET asks whether and why, a POST does it, and it is written down who did it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from orders.admin.marks import page_url
from orders.errors import DomainError


class ReasonForm(forms.Form):
    reason = forms.CharField(label="Why", max_length=200, widget=AdminTextInputWidget)


@dataclass(frozen=True, slots=True)
class Action:
    """`what` is asked before and `done` told after; `do` gets the row, and raises DomainError where it cannot be."""

    title: str
    permission: str
    what: str
    done: str
    do: Callable[[Any], Any]
    is_offered: Callable[[Any], bool]


class ConfirmedActions:
    """Mixed into a record's admin: a page for each of `confirmed`, and the links to them."""

    admin_site: Any
    opts: Any
    confirmed: ClassVar[Mapping[str, Action]]
    log_change: Callable[..., Any]
    message_user: Callable[..., None]
    get_object: Callable[..., Any]
    has_view_permission: Callable[..., bool]

    change_form_template: Any = "admin/payments/acted_on.html"

    def get_urls(self) -> list[URLPattern]:
        page = path("<str:object_id>/act/<str:name>/", self.admin_site.admin_view(self.act), name=self._page)
        return [page, *super().get_urls()]  # type: ignore[misc]

    @property
    def _page(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_act"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        links = {"actions_on_record": self._links(request, row) if row else []}
        page: HttpResponse = super().change_view(  # type: ignore[misc]
            request, object_id, form_url, {**(extra_context or {}), **links}
        )
        return page

    def act(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        action = self.confirmed.get(name)
        if action is None:
            raise Http404
        if not (request.user.has_perm(action.permission) and self.has_view_permission(request)):
            raise PermissionDenied
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._do(request, row, action, reason=form.cleaned_data["reason"])
        return self._page_of(request, row, action, "admin/act.html", form=form)

    def answer(self, request: HttpRequest, row: Any, action: Action, made: Any) -> HttpResponse:
        """After it was done; `made` is what came of it."""
        self.message_user(request, action.done, messages.SUCCESS)
        return HttpResponseRedirect(page_url(row))

    def _do(self, request: HttpRequest, row: Any, action: Action, *, reason: str) -> HttpResponse:
        try:
            with transaction.atomic():
                made = action.do(row)
                self.log_change(request, row, f"{action.title}: {reason}")
        except DomainError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return HttpResponseRedirect(page_url(row))
        return self.answer(request, row, action, made)

    def _page_of(self, request: HttpRequest, row: Any, action: Action, template: str, **more: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{action.title}: {row}",
            "row": row,
            "row_url": page_url(row),
            "list_url": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"),
            "opts": self.opts,
            "do": action.title,
            "what": action.what,
            **more,
        }
        form = more.get("form")
        return TemplateResponse(request, template, context, status=400 if form and form.errors else 200)

    def _links(self, request: HttpRequest, row: Any) -> list[tuple[str, str]]:
        """What this person may do to the row as it stands."""
        return [
            (action.title, reverse(f"admin:{self._page}", args=[row.public_id, name]))
            for name, action in self.confirmed.items()
            if request.user.has_perm(action.permission) and action.is_offered(row)
        ]
