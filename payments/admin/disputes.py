"""The queue of disputes: what a customer's bank takes back, until when it can be answered, and who does."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString

from orders.admin.days import CreatedFilter
from orders.admin.marks import NOTHING, in_words, link, moment, money, page_url
from orders.admin.pages import Record, section
from orders.models import Order
from payments import disputes
from payments.admin.charges import GatewayFilter
from payments.admin.marks import dispute_badge
from payments.errors import DisputeAnsweredError
from payments.models import ChargeAttempt, Dispute

ANSWER: Final = "payments.answer_dispute"


class Answer(forms.Form):
    note = forms.CharField(label="What was answered", max_length=500)


class QueueFilter(admin.SimpleListFilter):
    """What waits for an answer, unless one asks for something else, or searches: then everything."""

    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [("mine", "Mine"), ("open", "Open"), ("won", "Won"), ("lost", "Lost"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": "Unanswered"}, *others]

    def queryset(self, request: HttpRequest, queryset: Any) -> models.QuerySet[Any]:
        chosen = self.value() or ("all" if request.GET.get("q") else "")
        if chosen == "mine":
            return cast("models.QuerySet[Any]", queryset.unanswered().filter(owner=request.user.pk))
        if not chosen:
            return cast("models.QuerySet[Any]", queryset.unanswered())
        return cast("models.QuerySet[Any]", queryset if chosen == "all" else queryset.filter(status=chosen))


@admin.register(Dispute)
class DisputeAdmin(Record):
    client_path = "charge__order__client"
    found_by: ClassVar[Mapping[str, str]] = {
        Dispute.PREFIX: "pk",
        ChargeAttempt.PREFIX: "charge",
        Order.PREFIX: "charge__order",
    }
    list_display = ("typed_id", "amount", "state", "why", "due", "owner", "order_link", "created_at")
    list_filter = (QueueFilter, GatewayFilter, CreatedFilter)
    list_select_related = ("charge__order", "owner")
    ordering: ClassVar[Any] = (models.F("evidence_due_at").asc(nulls_last=True), "-id")
    search_fields = ("gateway_reference",)
    search_help_text = "The whole id of the dispute, its charge or order, or the gateway's name of it"
    needs: ClassVar[Mapping[str, str]] = {
        "charge_link": "payments.view_chargeattempt",
        "order_link": "orders.view_order",
    }
    fieldsets: ClassVar[Any] = [
        section(
            "Dispute", "amount why charge_link order_link gateway gateway_reference withdrawn opened_at created_at"
        ),
        section("Answer", "due owner answered_at answer_note"),
    ]
    change_form_template = "admin/payments/dispute/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        ours = [
            path("<str:object_id>/take/", wrap(self.take), name="payments_dispute_take"),
            path("<str:object_id>/answer/", wrap(self.answer), name="payments_dispute_answer"),
        ]
        return [*ours, *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> HttpResponse:
        dispute: Dispute = context["original"]
        is_waiting = dispute.status == Dispute.Status.OPEN and dispute.answered_at is None
        context |= {
            "state": self.state(dispute),
            "due": self.due(dispute),
            "is_waiting": is_waiting,
            "may_answer": is_waiting and request.user.has_perm(ANSWER),
            "is_mine": dispute.owner_id == request.user.pk,
            "answer": Answer(),
        }
        return super().render_change_form(request, context, *arguments, **options)

    def take(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say that one sees to it."""
        dispute = self._dispute(request, object_id)
        if request.method == "POST":
            self._do(request, dispute, "Taken over.", lambda by: disputes.take(dispute, by))
        return HttpResponseRedirect(page_url(dispute))

    def answer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Note that evidence was sent at the gateway, or why there is none."""
        dispute = self._dispute(request, object_id)
        form = Answer(request.POST)
        if request.method == "POST" and not form.is_valid():
            self.message_user(request, "Nothing was noted: say what was answered.", messages.ERROR)
        elif request.method == "POST":
            note = form.cleaned_data["note"]
            self._do(request, dispute, f"Answered: {note}", lambda by: disputes.note_answer(dispute, note, by=by))
        return HttpResponseRedirect(page_url(dispute))

    def _dispute(self, request: HttpRequest, object_id: str) -> Dispute:
        if not (request.user.has_perm(ANSWER) and self.has_view_permission(request)):
            raise PermissionDenied
        dispute: Dispute | None = self.get_object(request, object_id)
        if dispute is None:
            raise Http404
        return dispute

    def _do(self, request: HttpRequest, dispute: Dispute, told: str, act: Any) -> None:
        try:
            act(cast("User", request.user))
        except DisputeAnsweredError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return
        self.log_change(request, dispute, told)
        self.message_user(request, told, messages.SUCCESS)

    @admin.display(description="Status")
    def state(self, dispute: Dispute) -> SafeString:
        return dispute_badge(dispute)

    @admin.display(description="Amount")
    def amount(self, dispute: Dispute) -> str:
        return money(dispute.amount_minor, dispute.currency)

    @admin.display(description="Reason")
    def why(self, dispute: Dispute) -> str:
        return in_words(dispute.reason) or NOTHING

    @admin.display(description="Evidence due")
    def due(self, dispute: Dispute) -> str:
        at = dispute.evidence_due_at
        is_late = at is not None and at <= timezone.now() and dispute.status == Dispute.Status.OPEN
        return f"{moment(at)} (overdue)" if is_late else moment(at)

    @admin.display(description="Money")
    def withdrawn(self, dispute: Dispute) -> str:
        return "taken from our balance" if dispute.is_withdrawn else "with us"

    @admin.display(description="Charge")
    def charge_link(self, dispute: Dispute) -> SafeString | str:
        return link(dispute.charge)

    @admin.display(description="Order")
    def order_link(self, dispute: Dispute) -> SafeString | str:
        return link(dispute.charge.order)
