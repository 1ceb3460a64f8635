"""One action on several sagas: ticked in the list, with a reason asked for once, each done by itself."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from random import uniform
from typing import Any, Final, NamedTuple
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from orders.admin.marks import link
from orders.errors import DomainError
from payments.admin.interventions import ReasonForm, person
from payments.admin.marks import saga_badge
from payments.admin.narrative import state_of
from payments.interventions import requests
from payments.interventions.actions import ACTIONS
from payments.models import SagaExecution, SagaIntervention

State = SagaIntervention.State

SHOWN: Final = "_changelist_filters"
"""Django's own name for what a list was asked for, in the address of a page that leads back to it."""
BULK: Final = "payments_sagaexecution_bulk"
ACTIONS_IN_BULK: Final = ("retry", "pause", "resume")
SET_GOING: Final = ("retry", "resume")
SPREAD_SECONDS: Final = 10.0
"""What is set going together begins within so many seconds, so that a gateway that is just back is not flattened."""


class Ticked(NamedTuple):
    """A saga as it was seen when it was ticked."""

    saga_id: UUID
    epoch: int


class BulkForm(ReasonForm):
    """`ticked` are the sagas, each with the epoch that the list showed."""

    ticked = forms.CharField(widget=forms.HiddenInput)

    def clean_ticked(self) -> list[Ticked]:
        try:
            return [_parse(part) for part in self.cleaned_data["ticked"].split()]
        except ValueError as error:
            raise forms.ValidationError("These are no sagas.") from error


class BulkActions:
    """Mixed into the saga's admin: the actions of its list."""

    admin_site: Any
    message_user: Callable[..., None]
    get_queryset: Callable[..., QuerySet[SagaExecution]]

    def get_urls(self) -> list[URLPattern]:
        bulk = path("bulk/<str:action>/", self.admin_site.admin_view(self.bulk), name=BULK)
        return [bulk, *super().get_urls()]  # type: ignore[misc]

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.retry_saga")

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.pause_saga")

    def action_checkbox(self, saga: SagaExecution) -> SafeString:
        """With the epoch at which the saga is seen, and ticked."""
        tick = super().action_checkbox(saga)  # type: ignore[misc]
        return format_html('{}<input type="hidden" name="epoch-{}" value="{}">', tick, saga.pk, saga.epoch)

    @admin.action(description="Try again", permissions=["retry"])
    def retry_ticked(self, request: HttpRequest, sagas: QuerySet[SagaExecution]) -> HttpResponse:
        return self._ask_in_bulk(request, "retry", _ticked(request), request.GET.urlencode())

    @admin.action(description="Pause", permissions=["pause"])
    def pause_ticked(self, request: HttpRequest, sagas: QuerySet[SagaExecution]) -> HttpResponse:
        return self._ask_in_bulk(request, "pause", _ticked(request), request.GET.urlencode())

    @admin.action(description="Resume", permissions=["pause"])
    def resume_ticked(self, request: HttpRequest, sagas: QuerySet[SagaExecution]) -> HttpResponse:
        return self._ask_in_bulk(request, "resume", _ticked(request), request.GET.urlencode())

    def bulk(self, request: HttpRequest, action: str) -> HttpResponse:
        """Do it to each saga by itself, and say what became of all."""
        if action not in ACTIONS_IN_BULK:
            raise Http404
        if not request.user.has_perm(ACTIONS[action].permission):
            raise PermissionDenied
        form, shown = BulkForm(request.POST or None), request.GET.get(SHOWN, "")
        if request.method != "POST" or "ticked" in form.errors:
            return HttpResponseRedirect(_list(shown))
        if not form.is_valid():
            return self._ask_in_bulk(request, action, form.cleaned_data["ticked"], shown, form)
        self._report(request, action, list(self._each(request, action, form)))
        return HttpResponseRedirect(_list(shown))

    def _each(self, request: HttpRequest, action: str, form: BulkForm) -> Iterator[tuple[str, str]]:
        """The saga, and what became of it: a state, or why not."""
        sagas = self.get_queryset(request).in_bulk([ticked.saga_id for ticked in form.cleaned_data["ticked"]])
        for ticked in form.cleaned_data["ticked"]:
            saga = sagas.get(ticked.saga_id)
            if saga is not None:
                yield saga.public_id, self._one(request, saga, action, ticked.epoch, form.cleaned_data["reason"])

    def _one(self, request: HttpRequest, saga: SagaExecution, action: str, epoch: int, reason: str) -> str:
        delay = {"delay": timedelta(seconds=uniform(0, SPREAD_SECONDS))} if action in SET_GOING else {}  # noqa: S311
        try:
            row = requests.request(saga, action=action, by=person(request), reason=reason, epoch=epoch, **delay)
        except DomainError as error:
            return error.detail
        return row.state

    def _report(self, request: HttpRequest, action: str, outcomes: list[tuple[str, str]]) -> None:
        became = [outcome for _saga, outcome in outcomes]
        done, waiting = became.count(State.APPLIED), became.count(State.AWAITING_APPROVAL)
        level = messages.SUCCESS if done or waiting else messages.WARNING
        told = f"{ACTIONS[action].title}: {done} of {len(outcomes)} {_became(action, done)}"
        asked = f" {waiting} {'waits' if waiting == 1 else 'wait'} for a second person's approval." if waiting else ""
        self.message_user(request, f"{told}{asked}", level)
        for saga, outcome in outcomes:
            if outcome not in (State.APPLIED, State.AWAITING_APPROVAL):
                self.message_user(request, f"Not done: {saga}. {outcome}", messages.WARNING)

    def _ask_in_bulk(
        self, request: HttpRequest, action: str, ticked: list[Ticked], shown: str, form: BulkForm | None = None
    ) -> HttpResponse:
        """`shown` is what the list was asked for, to be shown again afterwards."""
        sagas = self.get_queryset(request).in_bulk([each.saga_id for each in ticked])
        rows = [(link(saga), saga_badge(saga), state_of(saga), link(saga.order)) for saga in sagas.values()]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{ACTIONS[action].title}: {len(rows)} {'saga' if len(rows) == 1 else 'sagas'}",
            "opts": SagaExecution._meta,
            "rows": rows,
            "form": form or BulkForm(initial={"ticked": " ".join(f"{saga_id}:{epoch}" for saga_id, epoch in ticked)}),
            "do": ACTIONS[action].title,
            "address": f"{reverse(f'admin:{BULK}', args=[action])}?{urlencode({SHOWN: shown})}",
            "list_url": _list(shown),
            "is_spread": action in SET_GOING,
            "seconds": int(SPREAD_SECONDS),
        }
        status = 400 if form else 200
        return TemplateResponse(request, "admin/payments/sagaexecution/bulk.html", context, status=status)


def _became(action: str, count: int) -> str:
    """What is set going is only begun."""
    if action not in SET_GOING or not count:
        return "done."
    if count == 1:
        return "goes on now. Reload this page to see how it ends."
    return "go on now. Reload this page to see how they end."


def _ticked(request: HttpRequest) -> list[Ticked]:
    """Those that were ticked on this page, and seen there; what is made up is passed over."""
    marks = [f"{key}:{request.POST.get(f'epoch-{key}', '')}" for key in request.POST.getlist(ACTION_CHECKBOX_NAME)]
    try:
        return [_parse(mark) for mark in marks]
    except ValueError:
        return []


def _parse(mark: str) -> Ticked:
    """Raise ValueError when it is not of the form `id:epoch`."""
    saga_id, _, epoch = mark.partition(":")
    return Ticked(UUID(saga_id), int(epoch))


def _list(shown: str) -> str:
    return f"{reverse('admin:payments_sagaexecution_changelist')}?{QueryDict(shown).urlencode()}"
