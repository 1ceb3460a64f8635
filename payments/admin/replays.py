"""Having archived events acted on again, one or several, and setting aside what nobody can act on.

A GET shows what would change and changes nothing; a POST does it, to the events as they stood when they were shown.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from orders.admin.marks import badge, link, page_url
from orders.errors import InvalidTransition
from orders.ids import parse_id
from payments.admin.interventions import person
from payments.admin.marks import WEBHOOK_TONES
from payments.models import WebhookEvent
from payments.webhooks.replay import LONGEST_REASON, MAY_REPLAY, Replay, history, preview, replay, set_aside

LIST: Final = "payments_webhookevent_changelist"
REPLAY: Final = "payments_webhookevent_replay"
SET_ASIDE: Final = "payments_webhookevent_set_aside"
SEVERAL: Final = "payments_webhookevent_replay_several"
MOST: Final = 200
"""Events at once: each is tried for the preview, within one request."""

Status = WebhookEvent.Status


class SeenForm(forms.Form):
    """`status` is the event's that the person saw."""

    status = forms.ChoiceField(choices=Status.choices, widget=forms.HiddenInput)


class SetAsideForm(forms.Form):
    """`reason` is kept with the event, and in the log."""

    reason = forms.CharField(
        label="Why nobody has to act on it", max_length=LONGEST_REASON, widget=forms.Textarea(attrs={"rows": 3})
    )


class SeveralForm(forms.Form):
    """`seen` are the events, each with the status that was shown: `evt_…:failed evt_…:processed`."""

    seen = forms.CharField(widget=forms.HiddenInput)

    def clean_seen(self) -> list[tuple[Any, str]]:
        parts = [part.partition(":") for part in self.cleaned_data["seen"].split()]
        seen = [(parse_id(WebhookEvent.PREFIX, name), status) for name, _, status in parts]
        if len(seen) > MOST or not all(key and status in Status.values for key, status in seen):
            raise forms.ValidationError("These are no events.")
        return seen


class ReplayActions:
    """Mixed into the event's admin: the pages that ask, and what its page and its list offer."""

    admin_site: Any
    message_user: Callable[..., None]
    get_object: Callable[..., Any]
    get_queryset: Callable[..., QuerySet[WebhookEvent]]

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("replay/", wrap(self.replay_several), name=SEVERAL),
            path("<str:object_id>/replay/", wrap(self.replay_one), name=REPLAY),
            path("<str:object_id>/set-aside/", wrap(self.set_one_aside), name=SET_ASIDE),
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAY_REPLAY)

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> HttpResponse:
        event: WebhookEvent = context["original"]
        may_replay = self.has_replay_permission(request)
        context |= {
            "history": history(event),
            "replay_url": reverse(f"admin:{REPLAY}", args=[event.public_id]) if may_replay else "",
            "set_aside_url": _set_aside_url(event) if may_replay else "",
        }
        page: HttpResponse = super().render_change_form(request, context, *arguments, **options)  # type: ignore[misc]
        return page

    @admin.action(description="Replay", permissions=["replay"])
    def replay_ticked(self, request: HttpRequest, events: QuerySet[WebhookEvent]) -> HttpResponse:
        """Show what replaying them would change."""
        chosen = list(events.order_by("pk")[: MOST + 1])
        return self._ask_several(request, chosen[:MOST], has_more=len(chosen) > MOST)

    def replay_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what a replay would change, then do it."""
        event = self._event(request, object_id)
        form = SeenForm(request.POST or None, initial={"status": event.status})
        if request.method == "POST" and form.is_valid():
            event.status = form.cleaned_data["status"]
            self._done(request, event, lambda: _told(replay(event, by=person(request))))
            return HttpResponseRedirect(page_url(event))
        shown = preview(event)
        context = {"form": form, "shown": shown, "changes_something": bool(shown.changes), "do": "Replay"}
        return self._ask(request, "replay", event, context)

    def set_one_aside(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, then take it out of the queue."""
        event = self._event(request, object_id)
        form = SetAsideForm(request.POST or None)
        if request.method == "POST" and form.is_valid():

            def do() -> str:
                set_aside(event, by=person(request), reason=form.cleaned_data["reason"])
                return "Set aside: it is ignored from now on, and can be replayed all the same."

            self._done(request, event, do)
            return HttpResponseRedirect(page_url(event))
        return self._ask(request, "set_aside", event, {"form": form, "do": "Set aside"})

    def replay_several(self, request: HttpRequest) -> HttpResponse:
        """Replay each by itself, and say what became of all. There is nothing to be looked at here."""
        if not self.has_replay_permission(request):
            raise PermissionDenied
        form = SeveralForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            seen = dict(form.cleaned_data["seen"])
            events = self.get_queryset(request).defer("body").in_bulk(list(seen))
            self._report(request, [self._one(request, event, seen[key]) for key, event in sorted(events.items())])
        return HttpResponseRedirect(reverse(f"admin:{LIST}"))

    def _event(self, request: HttpRequest, object_id: str) -> WebhookEvent:
        if not self.has_replay_permission(request):
            raise PermissionDenied
        event: WebhookEvent | None = self.get_object(request, object_id)
        if event is None:
            raise Http404
        return event

    def _done(self, request: HttpRequest, event: WebhookEvent, do: Callable[[], str]) -> None:
        try:
            self.message_user(request, do(), messages.SUCCESS)
        except InvalidTransition as error:
            self.message_user(request, error.detail, messages.ERROR)

    def _one(self, request: HttpRequest, event: WebhookEvent, seen: str) -> tuple[WebhookEvent, Replay | str]:
        """What became of it, or why nothing did."""
        event.status = seen
        try:
            return event, replay(event, by=person(request))
        except InvalidTransition as error:
            return event, error.detail

    def _report(self, request: HttpRequest, outcomes: Sequence[tuple[WebhookEvent, Replay | str]]) -> None:
        done = [outcome for _, outcome in outcomes if isinstance(outcome, Replay)]
        changed = sum(bool(each.changes) for each in done)
        told = f"Replayed: {_counted(done)}; {changed} changed something, {len(done) - changed} nothing."
        self.message_user(request, told, messages.SUCCESS if done else messages.WARNING)
        for event, outcome in outcomes:
            if isinstance(outcome, str):
                self.message_user(request, f"Not done: {event}. {outcome}", messages.WARNING)

    def _ask(self, request: HttpRequest, page: str, event: WebhookEvent, more: dict[str, Any]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{more['do']}: {event}",
            "opts": WebhookEvent._meta,
            "event": event,
            "event_url": page_url(event),
            "state": _state(event.status),
            **more,
        }
        status = 400 if more["form"].errors else 200
        return TemplateResponse(request, f"admin/payments/webhookevent/{page}.html", context, status=status)

    def _ask_several(self, request: HttpRequest, events: Sequence[WebhookEvent], *, has_more: bool) -> HttpResponse:
        shown = [(event, preview(event)) for event in events]
        changing = sum(bool(each.changes) for _, each in shown)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Replay: {_counted(events)}",
            "opts": WebhookEvent._meta,
            "rows": [(link(event), event.kind, _state(event.status), each.sentences) for event, each in shown],
            "counted": f"{_counted(events)}: {changing} would change something, {len(shown) - changing} nothing.",
            "has_more": has_more,
            "most": MOST,
            "form": SeveralForm(initial={"seen": " ".join(f"{event}:{event.status}" for event in events)}),
            "address": reverse(f"admin:{SEVERAL}"),
            "list_url": f"{reverse(f'admin:{LIST}')}?{request.GET.urlencode()}",
        }
        return TemplateResponse(request, "admin/payments/webhookevent/replay_several.html", context)


def _set_aside_url(event: WebhookEvent) -> str:
    """Only what has failed is set aside."""
    return reverse(f"admin:{SET_ASIDE}", args=[event.public_id]) if event.status == Status.FAILED else ""


def _state(status: str) -> SafeString:
    return badge(status, WEBHOOK_TONES[status])


def _counted(events: Iterable[object]) -> str:
    number = len(list(events))
    return "1 event" if number == 1 else f"{number} events"


def _told(done: Replay) -> str:
    return f"Replayed: {'; '.join(done.sentences) if done.changes else 'nothing changed.'}"
