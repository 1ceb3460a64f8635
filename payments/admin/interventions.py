"""What a person may do about a saga: offered on its page, asked for on a page of its own. A GET asks, a POST does."""

from collections.abc import Callable
from typing import Any, Final, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from orders.admin.marks import in_words, link, page_url
from orders.errors import DomainError
from payments.admin.marks import saga_badge
from payments.admin.narrative import state_of
from payments.errors import StaleSagaError
from payments.interventions import approvals, offers, requests
from payments.interventions.actions import ACTIONS, Action
from payments.interventions.actions.edit_context import editable
from payments.interventions.given import DID_NOT_HAPPEN, MAX_EVIDENCE, SUCCEEDED
from payments.interventions.offers import Offer
from payments.interventions.standing import Standing, read
from payments.models import SagaExecution, SagaIntervention
from payments.redaction import redact

ACT: Final = "payments_sagaexecution_act"
VIEW_INTERVENTION: Final = "payments.view_sagaintervention"
MOVED_ON: Final = "The saga has moved on since you looked at it, and nothing was done. See how it stands now."
BEHIND: Final = "Something else awaits approval. That has to be decided about, or withdrawn, first."
GOES_ON: Final = "it goes on now. Reload this page to see how it ends."
_EVIDENCE: Final = {
    "resolve_unknown": "The gateway's or the carrier's own reference: of the transaction, or of the charge or parcel.",
    "mark_compensated": "The gateway's reference of the refund, or that of whatever undid it elsewhere: a bank "
    "transfer, a delivery note.",
}
_RESULTS: Final = [
    ("", "Only what the gateway or the carrier confirms"),
    (SUCCEEDED, "It happened"),
    (DID_NOT_HAPPEN, "It did not happen"),
]


class ReasonForm(forms.Form):
    """`reason` is kept in the saga's history, for good."""

    reason = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))


class ActForm(ReasonForm):
    """What an action takes; `epoch` is the saga's that the person saw."""

    epoch = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(self, *arguments: Any, action: Action, standing: Standing, **options: Any) -> None:
        super().__init__(*arguments, **options)
        takes = (*action.needs, *action.takes)
        if "evidence" in takes:
            self.fields["evidence"] = forms.CharField(
                label="Evidence", max_length=MAX_EVIDENCE, help_text=_EVIDENCE[action.name.value]
            )
        if "result" in takes:
            self.fields["result"] = forms.ChoiceField(label="What happened", required=False, choices=_RESULTS)
        self._known = editable(standing) if "context" in takes else {}
        for name, value in self._known.items():
            label = in_words(name).capitalize()
            self.fields[name] = forms.CharField(label=label, required=False, max_length=200, initial=value)
        self.order_fields([name for name in self.fields if name != "reason"])

    def arguments(self) -> dict[str, Any]:
        """As the service takes them; of what its steps know, only what is another now."""
        data = dict(self.cleaned_data)
        changes = {name: data.pop(name) for name in self._known}
        changed = {name: value for name, value in changes.items() if value != self._known[name]}
        return {**data, "context": changed} if self._known else data


class SagaActions:
    """Mixed into the saga's admin: the pages that ask, and what its page offers."""

    admin_site: Any
    message_user: Callable[..., None]
    get_object: Callable[..., Any]

    def get_urls(self) -> list[URLPattern]:
        act = path("<str:object_id>/act/<str:action>/", self.admin_site.admin_view(self.act), name=ACT)
        return [act, *super().get_urls()]  # type: ignore[misc]

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> HttpResponse:
        context |= _offered(context["original"], request)
        page: HttpResponse = super().render_change_form(request, context, *arguments, **options)  # type: ignore[misc]
        return page

    def act(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Ask what an action needs, then do it, or have it wait for a second person."""
        saga, chosen = self._saga(request, object_id, action)
        standing = read(saga.pk)
        reason = _why_not(chosen, standing)
        if standing is None or reason:
            self.message_user(request, f"{chosen.title}: {reason}", messages.WARNING)
            return HttpResponseRedirect(page_url(saga))
        form = ActForm(request.POST or None, action=chosen, standing=standing, initial={"epoch": standing.saga.epoch})
        if request.method == "POST" and form.is_valid():
            done = self._do(request, saga, chosen, form)
            if done is not None:
                return done
        return self._ask(request, standing, chosen, form)

    def _saga(self, request: HttpRequest, object_id: str, action: str) -> tuple[SagaExecution, Action]:
        chosen = ACTIONS.get(action)
        if chosen is None:
            raise Http404
        if not request.user.has_perm(chosen.permission):
            raise PermissionDenied
        saga: SagaExecution | None = self.get_object(request, object_id)
        if saga is None:
            raise Http404
        return saga, chosen

    def _do(self, request: HttpRequest, saga: SagaExecution, action: Action, form: ActForm) -> HttpResponse | None:
        """Where it leads, or None when the form has to be corrected."""
        try:
            row = requests.request(saga, action=action.name, by=person(request), **form.arguments())
        except StaleSagaError:
            self.message_user(request, MOVED_ON, messages.ERROR)
        except DomainError as error:
            form.add_error(None, error.detail)
            return None
        else:
            level, message = became(row)
            self.message_user(request, message, level)
        return HttpResponseRedirect(page_url(saga))

    def _ask(self, request: HttpRequest, standing: Standing, action: Action, form: ActForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{action.title}: {standing.saga}",
            "opts": SagaExecution._meta,
            "saga": standing.saga,
            "saga_url": page_url(standing.saga),
            "order": link(standing.order),
            "total": standing.order.total,
            "state": saga_badge(standing.saga),
            "state_in_words": state_of(standing.saga),
            "form": form,
            "what": action.told(standing),
            "needs_approval": offers.needs_second_person(action, standing, is_forced=action.is_forced),
            "overtaken": "" if action.only_looks else _awaited(standing),
            "do": action.title,
        }
        status = 400 if form.errors else 200
        return TemplateResponse(request, "admin/payments/sagaexecution/act.html", context, status=status)


def person(request: HttpRequest) -> User:
    """Signed in: the admin site has seen to that."""
    return cast("User", request.user)


def became(row: SagaIntervention) -> tuple[int, str]:
    """What became of a request, to whoever made it, and how good that is."""
    title = ACTIONS[row.action].title
    if row.state == SagaIntervention.State.AWAITING_APPROVAL:
        return messages.SUCCESS, f"{title}: a second person has to approve it. Nothing was changed yet."
    if ACTIONS[row.action].only_looks:
        return _answer(row)
    return messages.SUCCESS, f"{title}: {GOES_ON if goes_on(row.saga) else 'done.'}"


def _why_not(action: Action, standing: Standing | None) -> str:
    """Why there is no use in asking for it now; empty when there is."""
    if reason := offers.why_not(action, standing):
        return reason
    return BEHIND if standing is not None and offers.waits_behind(action, standing) else ""


def _awaited(standing: Standing | None) -> str:
    """The title of what a second person can still approve; empty when there is no such thing."""
    if standing is None or standing.awaiting is None or not offers.is_awaited(standing):
        return ""
    return ACTIONS[standing.awaiting.action].title


def goes_on(saga: SagaExecution) -> bool:
    """Whether what was done has set the saga going: then it is only begun."""
    saga.refresh_from_db(fields=["state", "is_paused"])
    return saga.state in SagaExecution.ACTIVE and not saga.is_paused


def _answer(row: SagaIntervention) -> tuple[int, str]:
    """What was answered; the calls themselves are in the history."""
    event = row.saga.events.filter(kind=ACTIONS[row.action].event, after__intervention=row.public_id).get()
    level = messages.SUCCESS if event.after["is_answered"] else messages.WARNING
    return level, str(redact(event.after["said"]))


def _offered(saga: SagaExecution, request: HttpRequest) -> dict[str, Any]:
    """What this person may do now, and what waits for a second one."""
    user, standing = person(request), read(saga.pk)
    waiting = standing.awaiting if standing is not None and user.has_perm(VIEW_INTERVENTION) else None
    possible = offers.possible(standing, user.has_perm)
    return {
        "overtaken": _awaited(standing),
        "offers": [
            (_address(saga, offer), offer)
            for offer in possible
            if standing is None or not offers.waits_behind(offer.action, standing)
        ],
        "waiting": waiting,
        "waiting_title": ACTIONS[waiting.action].title if waiting else "",
        "is_own": waiting is not None and waiting.requested_by_id == user.pk,
        "may_decide": waiting is not None and approvals.may_decide(waiting, user),
    }


def _address(saga: SagaExecution, offer: Offer) -> str:
    return reverse(f"admin:{ACT}", args=[saga.public_id, offer.name])
