"""The interventions: what people did and want to do about sagas, and the page on which a second person decides."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from orders.admin.days import CreatedFilter
from orders.admin.marks import NOTHING, Tone, badge, in_words, link, money, page_url
from orders.admin.pages import Record, section
from orders.errors import DomainError
from orders.models import Order
from payments.admin.interventions import GOES_ON, goes_on, person
from payments.admin.marks import pretty
from payments.interventions import approvals
from payments.interventions.actions import ACTIONS
from payments.interventions.offers import why_not
from payments.interventions.standing import read
from payments.models import SagaExecution, SagaIntervention
from payments.redaction import redact

State = SagaIntervention.State

Choice = Callable[..., SagaIntervention]

DECIDE: Final = "payments_sagaintervention_decide"
WITHDRAW: Final = "payments_sagaintervention_withdraw"
TONES: Final[Mapping[str, Tone]] = {
    State.AWAITING_APPROVAL: "alarm",
    State.APPLIED: "good",
    State.REFUSED: "bad",
    State.WITHDRAWN: "quiet",
    State.STALE: "quiet",
}
_DONE: Final[Mapping[str, str]] = {
    State.APPLIED: "Approved, and done.",
    State.REFUSED: "Refused: nothing was done.",
    State.WITHDRAWN: "Withdrawn: nothing was done.",
    State.STALE: "The saga has moved on since this was asked for: nothing was done.",
}


class NoteForm(forms.Form):
    """`note` is kept with the intervention, and in the saga's history."""

    note = forms.CharField(label="Note", max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))


def _shown(value: object) -> SafeString | str:
    return str(redact(value)) if isinstance(value, str) else pretty(value)


@admin.register(SagaIntervention)
class SagaInterventionAdmin(Record):
    client_path = "saga__order__client"
    found_by: ClassVar[Mapping[str, str]] = {
        SagaIntervention.PREFIX: "pk",
        SagaExecution.PREFIX: "saga",
        Order.PREFIX: "saga__order",
    }
    list_display = ("typed_id", "what", "saga_link", "amount", "status", "asked_by", "decider", "created_at")
    list_filter = ("state", "action", CreatedFilter)
    list_select_related = ("saga__order", "requested_by", "decided_by")
    search_fields = ("requested_by__username",)
    search_help_text = "The whole id of the intervention, its saga or order, or the user name of whoever asked for it"
    needs: ClassVar[Mapping[str, str]] = {"saga_link": "payments.view_sagaexecution"}
    fieldsets: ClassVar[Any] = [
        section("What it is", "what saga_link amount asked_by created_at seen reason given"),
        section("What became of it", "status decider decided_at decision_note"),
    ]
    change_form_template = "admin/payments/sagaintervention/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        decide = path("<str:object_id>/decide/", self.admin_site.admin_view(self.decide), name=DECIDE)
        withdraw = path("<str:object_id>/withdraw/", self.admin_site.admin_view(self.withdraw), name=WITHDRAW)
        return [decide, withdraw, *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> HttpResponse:
        row: SagaIntervention = context["original"]
        is_open = row.state == State.AWAITING_APPROVAL
        context["may_decide"] = is_open and approvals.may_decide(row, person(request))
        context["is_own"] = is_open and row.requested_by_id == person(request).pk
        return super().render_change_form(request, context, *arguments, **options)

    def decide(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a second person's yes or no, then do what it means."""
        row = self._row(request, object_id)
        if not approvals.may_decide(row, person(request)):
            raise PermissionDenied
        choice = approvals.approve if request.POST.get("decision") == "approve" else approvals.refuse
        return self._answer(request, row, choice, "decide.html")

    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whoever asked for it why not any more, then take it back."""
        row = self._row(request, object_id)
        if row.requested_by_id != person(request).pk:
            raise PermissionDenied
        return self._answer(request, row, approvals.withdraw, "withdraw.html")

    def _row(self, request: HttpRequest, object_id: str) -> SagaIntervention:
        row: SagaIntervention | None = self.get_object(request, object_id)
        if row is None:
            raise Http404
        return row

    def _answer(self, request: HttpRequest, row: SagaIntervention, choice: Choice, page: str) -> HttpResponse:
        form = NoteForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            done = self._decide(request, row, choice, form)
            if done is not None:
                return done
        return self._ask(request, row, form, page)

    def _decide(
        self, request: HttpRequest, row: SagaIntervention, choice: Choice, form: NoteForm
    ) -> HttpResponse | None:
        """Where it leads, or None when it cannot be decided so."""
        try:
            row = choice(row, by=person(request), note=form.cleaned_data["note"])
        except DomainError as error:
            form.add_error(None, error.detail)
            return None
        level = messages.WARNING if row.state == State.STALE else messages.SUCCESS
        is_begun = row.state == State.APPLIED and goes_on(row.saga)
        self.message_user(request, f"Approved: {GOES_ON}" if is_begun else _DONE[row.state], level)
        return HttpResponseRedirect(page_url(row.saga))

    def _ask(self, request: HttpRequest, row: SagaIntervention, form: NoteForm, page: str) -> HttpResponse:
        action, standing = ACTIONS[row.action], read(row.saga_id)
        is_stale = (
            row.state != State.AWAITING_APPROVAL or standing is None or not standing.saga.is_as_seen_at(row.epoch)
        )
        context = {
            **self.admin_site.each_context(request),
            "title": f"{action.title}: {row.saga}",
            "opts": SagaIntervention._meta,
            "row": row,
            "row_url": page_url(row),
            "saga": link(row.saga),
            "amount": self.amount(row),
            "given": self.given(row),
            "what": "" if standing is None or why_not(action, standing) else action.told(standing),
            "is_stale": is_stale,
            "form": form,
        }
        status = 400 if form.errors else 200
        return TemplateResponse(request, f"admin/payments/sagaintervention/{page}", context, status=status)

    @admin.display(description="Action")
    def what(self, row: SagaIntervention) -> str:
        return ACTIONS[row.action].title

    @admin.display(description="Saga")
    def saga_link(self, row: SagaIntervention) -> SafeString | str:
        return link(row.saga)

    @admin.display(description="Order's amount")
    def amount(self, row: SagaIntervention) -> str:
        return money(row.saga.order.amount_minor, row.saga.order.currency)

    @admin.display(description="Asked for by")
    def asked_by(self, row: SagaIntervention) -> str:
        return row.requested_by.get_username()

    @admin.display(description="Decided by")
    def decider(self, row: SagaIntervention) -> str:
        return row.decided_by.get_username() if row.decided_by else NOTHING

    @admin.display(description="State")
    def status(self, row: SagaIntervention) -> SafeString:
        return badge(row.state, TONES[row.state])

    @admin.display(description="Given with it")
    def given(self, row: SagaIntervention) -> SafeString | str:
        told = [(in_words(name).capitalize(), _shown(value)) for name, value in row.arguments.items()]
        return format_html_join("", "<p><b>{}:</b> {}</p>", told) if told else NOTHING

    @admin.display(description="Epoch that was seen")
    def seen(self, row: SagaIntervention) -> int:
        return row.epoch
