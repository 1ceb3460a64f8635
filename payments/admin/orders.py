"""The page of an order: what its client asked for, and everything that was done about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from fraud.models import Decision, ReviewCase
from orders.admin.marks import badge, in_words, link, money
from orders.admin.orders import OrderAdmin
from orders.admin.pages import Table, section
from orders.models import Order
from payments.admin import story
from payments.admin.actions import OrderActions
from payments.admin.charges import card_of
from payments.admin.interventions import VIEW_INTERVENTION
from payments.admin.marks import DECISION_TONES, charge_badge, pretty, saga_badge
from payments.admin.narrative import state_of, why
from payments.interventions.actions import ACTIONS
from payments.models import ChargeAttempt, Refund, SagaExecution
from payments.redaction import redact


class Charges(Table):
    model = ChargeAttempt
    verbose_name_plural = "Charges"
    fields = ("id_link", "amount", "state", "refunded", "card", "gateway_reference", "created_at")

    @admin.display(description="Id")
    def id_link(self, charge: ChargeAttempt) -> SafeString | str:
        return link(charge)

    @admin.display(description="Amount")
    def amount(self, charge: ChargeAttempt) -> str:
        return money(charge.amount_minor, charge.currency)

    @admin.display(description="Refunded")
    def refunded(self, charge: ChargeAttempt) -> str:
        return money(charge.refunded_minor, charge.currency)

    @admin.display(description="Card")
    def card(self, charge: ChargeAttempt) -> str:
        return card_of(charge)

    @admin.display(description="Status")
    def state(self, charge: ChargeAttempt) -> SafeString:
        return charge_badge(charge)


class Sagas(Table):
    model = SagaExecution
    fk_name = "order"
    verbose_name_plural = "Sagas"
    fields = ("id_link", "definition", "status", "reason", "created_at", "finished_at")

    @admin.display(description="Id")
    def id_link(self, saga: SagaExecution) -> SafeString | str:
        return link(saga)

    @admin.display(description="State")
    def status(self, saga: SagaExecution) -> SafeString:
        return saga_badge(saga)

    @admin.display(description="Why")
    def reason(self, saga: SagaExecution) -> str:
        return why(saga)


class Decisions(Table):
    model = Decision
    verbose_name_plural = "Fraud decisions"
    fields = ("id_link", "when", "ruling", "score", "reasons", "created_at")

    @admin.display(description="Id")
    def id_link(self, decision: Decision) -> SafeString | str:
        return link(decision)

    @admin.display(description="Stage")
    def when(self, decision: Decision) -> str:
        return in_words(decision.stage)

    @admin.display(description="Decision")
    def ruling(self, decision: Decision) -> SafeString:
        return badge(decision.decision, DECISION_TONES.get(decision.decision, "quiet"))

    @admin.display(description="Why")
    def reasons(self, decision: Decision) -> str:
        spoken = [verdict["reason"] for verdict in decision.verdicts if not verdict["shadow"]]
        return " ".join(spoken) or "No rule spoke up."


class Reviews(Table):
    model = ReviewCase
    verbose_name_plural = "Reviews"
    fields = ("id_link", "status", "due_at", "closed_by", "note")
    list_select_related = ("closed_by",)

    @admin.display(description="Id")
    def id_link(self, review: ReviewCase) -> SafeString | str:
        return link(review)

    @admin.display(description="State")
    def status(self, review: ReviewCase) -> SafeString:
        if review.state != ReviewCase.State.CLOSED:
            return badge(review.state, "busy")
        return badge(review.outcome, "good" if review.outcome == ReviewCase.Outcome.APPROVED else "bad")


@dataclass(frozen=True, slots=True)
class Attention:
    """Why an order stands still, and what a person can do about it."""

    told: str
    what_to_do: SafeString | str
    awaited: str = ""


def _attention(order: Order, request: HttpRequest) -> Attention:
    saga = order.sagas.filter(state__in=SagaExecution.STUCK).order_by("-id").first()
    if saga is None:
        return Attention("Nothing is being done about it now.", "")
    stopped = saga.events.filter(kind=saga.state).last()
    told = f"{state_of(saga)} {redact(stopped.reason) if stopped else ''}".strip()
    if not request.user.has_perm("payments.view_sagaexecution"):
        return Attention(told, "An operator has to decide what becomes of it.")
    return Attention(
        told, format_html("What was done, and what can be done now: {}", link(saga)), _awaited(saga, request)
    )


def _awaited(saga: SagaExecution, request: HttpRequest) -> str:
    """What somebody has asked for about it, where a second person has to agree, for those who may see that."""
    may_see = request.user.has_perm(VIEW_INTERVENTION)
    row = saga.interventions.awaiting().select_related("requested_by").first() if may_see else None
    if row is None:
        return ""
    return f"{row.requested_by} asks for “{ACTIONS[row.action].title}”: that awaits a second person."


@admin.register(Order)
class OrderStoryAdmin(OrderActions, OrderAdmin):
    found_by: ClassVar[Mapping[str, str]] = {
        **OrderAdmin.found_by,
        SagaExecution.PREFIX: "sagas",
        ChargeAttempt.PREFIX: "charges",
        Refund.PREFIX: "charges__refunds",
        Decision.PREFIX: "decisions",
        ReviewCase.PREFIX: "reviews",
    }
    search_fields = (
        *OrderAdmin.search_fields,
        "charges__card_last4",
        "charges__gateway_reference",
        "sagas__idempotency_key__request_id",
    )
    search_help_text = (
        "The whole id of the order or of anything about it, its reference, the customer's e-mail or id, "
        "the card's last four, the gateway's reference, or a request's id"
    )
    fieldsets: ClassVar[Any] = [*OrderAdmin.fieldsets, section("Metadata", "client_metadata")]
    inlines: ClassVar[Any] = (*OrderAdmin.inlines, Charges, Sagas, Decisions, Reviews)

    change_form_template = "admin/orders/order/change_form.html"

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> HttpResponse:
        order: Order = context["original"]
        context["timeline"] = story.of(order, reader=request.user)
        context["attention"] = _attention(order, request) if order.status == Order.Status.NEEDS_ATTENTION else None
        return super().render_change_form(request, context, *arguments, **options)

    @admin.display(description="As the client gave it")
    def client_metadata(self, order: Order) -> SafeString | str:
        return pretty(order.metadata)
