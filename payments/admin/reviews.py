"""The reviews' queue and the page on which a person decides: seen by who may view them, changed by POST alone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import JSONField, OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

import fraud.services as screening
from fraud.errors import ReviewClosed
from fraud.facts import Stage
from fraud.models import Decision, ReviewCase
from orders.admin.marks import Tone, badge, link, moment, money, page_url
from orders.admin.pages import Record
from orders.errors import DomainError
from orders.models import Order
from payments import reviews, services
from payments.admin.dossier import Dossier, spoken, time_left

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CHANGE: Final = "fraud.change_reviewcase"
LIST: Final = "admin:fraud_reviewcase_changelist"
CASE_TONES: Final[Mapping[str, Tone]] = {
    ReviewCase.State.OPEN: "quiet",
    ReviewCase.State.CLAIMED: "busy",
    ReviewCase.State.ESCALATED: "alarm",
    ReviewCase.Outcome.APPROVED: "good",
    ReviewCase.Outcome.REJECTED: "bad",
    ReviewCase.Outcome.EXPIRED: "bad",
}


class Reason(forms.Form):
    """`reason` is kept with the case."""

    reason = forms.CharField(
        label="Reason",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Nothing was changed: say why, a reason is needed."},
    )


class Assignment(forms.Form):
    """`person` is one of those who may decide."""

    person: Any = forms.ModelChoiceField(
        label="Assign to",
        queryset=None,
        empty_label="Choose a person",
        error_messages={"required": "Nothing was changed: choose a person.", "invalid_choice": "This person may not."},
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        people = get_user_model().objects.with_perm(CHANGE, backend="django.contrib.auth.backends.ModelBackend")
        self.fields["person"].queryset = people.filter(is_staff=True).order_by("username")  # type: ignore[attr-defined]


def _claim(case: ReviewCase, by: "User") -> str:
    screening.claim_case(case, by=by)
    return "This review is yours now."


def _release(case: ReviewCase, by: "User") -> str:
    screening.release_case(case, by=by)
    return "Given back: anybody may claim this review."


def _assign(case: ReviewCase, by: "User", *, person: "User") -> str:
    screening.assign_case(case, to=person, by=by)
    return f"Assigned to {person}."


def _escalate(case: ReviewCase, by: "User", *, reason: str) -> str:
    screening.escalate_case(case, by=by, reason=reason)
    return "Escalated: it waits for somebody who claims it, or whom you assign it to."


def _decide(case: ReviewCase, by: "User", *, reason: str, verdict: str) -> str:
    """The money follows at once where it can, so that the page shows what became of it."""
    closed = reviews.decide(case.decision, verdict=verdict, by=by, note=reason)
    services.carry_on_order(closed.order)
    return f"{closed.outcome.capitalize()}. {Dossier(closed, by).came_of_it}".rstrip()


@dataclass(frozen=True, slots=True)
class Action:
    """What one button does: `run` takes the case, the person and what the form holds, and says what it did."""

    run: Callable[..., str]
    form: type[forms.Form] = field(default=forms.Form)


ACTIONS: Final[Mapping[str, Action]] = {
    "claim": Action(_claim),
    "release": Action(_release),
    "assign": Action(_assign, Assignment),
    "escalate": Action(_escalate, Reason),
    "approve": Action(partial(_decide, verdict="approve"), Reason),
    "reject": Action(partial(_decide, verdict="reject"), Reason),
}


class QueueFilter(admin.SimpleListFilter):
    """Whatever waits, unless somebody asks for something else, or searches: then everything."""

    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        names = ("mine", "unclaimed", "escalated", "closed", "all")
        return [(name, name.capitalize()) for name in names]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": "Waiting"}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        cases = {
            "mine": lambda: queryset.held_by(request.user),  # type: ignore[attr-defined]
            "unclaimed": queryset.unclaimed,  # type: ignore[attr-defined]
            "escalated": queryset.escalated,  # type: ignore[attr-defined]
            "closed": queryset.closed,  # type: ignore[attr-defined]
            "all": queryset.all,
        }
        otherwise = queryset.all if request.GET.get("q") else queryset.waiting  # type: ignore[attr-defined]
        rows: QuerySet[Any] = cases.get(self.value() or "", otherwise)()
        return rows


@admin.register(ReviewCase)
class ReviewCaseAdmin(Record):
    client_path = "order__client"
    found_by: ClassVar[Mapping[str, str]] = {
        ReviewCase.PREFIX: "pk",
        Order.PREFIX: "order",
        Decision.PREFIX: "decision",
    }
    list_display = ("typed_id", "left", "customer", "amount", "score", "reasons", "status", "order_link")
    list_filter = (QueueFilter,)
    list_select_related = ("order__client", "decision", "claimed_by", "closed_by")
    search_fields = ("order__reference", "order__customer_email")
    search_help_text = "The whole id of the review, its order or decision, the order's reference or the e-mail address"
    fields = ()
    change_form_template = "admin/fraud/reviewcase/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        ours = [
            path(f"<str:object_id>/{name}/", wrap(partial(self.act, action=name)), name=f"fraud_reviewcase_{name}")
            for name in ACTIONS
        ]
        return [
            path("claim-next/", wrap(self.claim_next), name="fraud_reviewcase_claim_next"),
            *ours,
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        before = Decision.objects.filter(attempt=OuterRef("decision__attempt"), stage=Stage.BEFORE_AUTHORIZATION)
        found = Subquery(before.values("verdicts")[:1], output_field=JSONField())
        cases: QuerySet[Any] = super().get_queryset(request).annotate(found_before=found)
        return cases

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """The most urgent first; of what is closed, the newest."""
        is_past = request.GET.get("queue") in ("closed", "all") or request.GET.get("q")
        return ("-id",) if is_past else ("due_at", "id")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        context = {"title": "Reviews", "may_decide": request.user.has_perm(CHANGE), **(extra_context or {})}
        return super().changelist_view(request, context)

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> HttpResponse:
        case: ReviewCase = context["original"]
        may_decide = request.user.has_perm(CHANGE)
        context |= {
            "dossier": Dossier(case, request.user),  # type: ignore[arg-type]  # the admin lets nobody else in
            "state": self.status(case),
            "left": time_left(case, timezone.now()),
            "may_decide": may_decide,
            "reason": Reason(),
            "assignment": Assignment() if may_decide else None,
        }
        return super().render_change_form(request, context, *arguments, **options)

    def act(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Do what a button says; one that is only looked at (after signing in again) leads back to the case."""
        case = self._case(request, object_id)
        if request.method == "POST":
            self._act(request, case, action)
        return HttpResponseRedirect(page_url(case))

    def claim_next(self, request: HttpRequest) -> HttpResponse:
        self._require(request)
        case = None
        if request.method == "POST":
            case = screening.claim_next(self.get_queryset(request), by=request.user)  # type: ignore[arg-type]
            told = "This review is yours now." if case else "There is no unclaimed review."
            self.message_user(request, told, messages.SUCCESS if case else messages.INFO)
        return HttpResponseRedirect(page_url(case) if case else reverse(LIST))

    def _case(self, request: HttpRequest, object_id: str) -> ReviewCase:
        self._require(request)
        case: ReviewCase | None = self.get_object(request, object_id)
        if case is None:
            raise Http404
        return case

    def _require(self, request: HttpRequest) -> None:
        if not (request.user.has_perm(CHANGE) and self.has_view_permission(request)):
            raise PermissionDenied

    def _act(self, request: HttpRequest, case: ReviewCase, action: str) -> None:
        chosen = ACTIONS[action]
        form = chosen.form(request.POST)
        if not form.is_valid():
            for errors in form.errors.values():
                self.message_user(request, " ".join(map(str, errors)), messages.ERROR)
            return
        try:
            told = chosen.run(case, request.user, **form.cleaned_data)
        except ReviewClosed:
            self.message_user(request, _too_late(case), messages.ERROR)
        except DomainError as error:
            self.message_user(request, error.detail, messages.ERROR)
        else:
            self.message_user(request, told, messages.SUCCESS)

    @admin.display(description="Order")
    def order_link(self, case: ReviewCase) -> SafeString | str:
        return link(case.order)

    @admin.display(description="Customer")
    def customer(self, case: ReviewCase) -> str:
        return case.order.customer_email

    @admin.display(description="At stake")
    def amount(self, case: ReviewCase) -> str:
        return money(case.order.amount_minor, case.order.currency)

    @admin.display(description="Score")
    def score(self, case: ReviewCase) -> int:
        return case.decision.score

    @admin.display(description="Why")
    def reasons(self, case: Any) -> str:
        return spoken(case.decision.verdicts, case.found_before)

    @admin.display(description="Time left")
    def left(self, case: ReviewCase) -> SafeString | str:
        is_closed = case.state == ReviewCase.State.CLOSED
        return moment(case.closed_at) if is_closed else time_left(case, timezone.now())

    @admin.display(description="Who has it")
    def status(self, case: ReviewCase) -> SafeString:
        is_closed = case.state == ReviewCase.State.CLOSED
        text = case.outcome if is_closed else case.state
        person = case.closed_by if is_closed else case.claimed_by
        by = format_html(' <span class="by">by {}</span>', person) if person else ""
        return format_html("{}{}", badge(text, CASE_TONES[text]), by)


def _too_late(case: ReviewCase) -> str:
    case.refresh_from_db()
    if case.closed_by is None:
        return f"This review was closed already as {case.outcome}. {case.note}"
    return f"This review was closed already by {case.closed_by} as {case.outcome}. Nothing was changed."
