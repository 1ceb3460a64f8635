"""Charges and refunds: what was tried, what the gateway says, and where the money is."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orders.admin.days import CreatedFilter
from orders.admin.marks import NOTHING, in_words, link, money
from orders.admin.pages import Record, Table, section
from orders.models import Order
from payments.admin.marks import charge_badge, dispute_badge, refund_badge
from payments.models import ChargeAttempt, Dispute, GatewayOutcome, LedgerPosting, Refund, SagaExecution

VIEW_SAGA = "payments.view_sagaexecution"
VIEW_CALL = "payments.view_gatewaycall"


class GatewayFilter(admin.SimpleListFilter):
    """The gateways of the settings: asking the table which ones occur would read all of it."""

    title = "gateway"
    parameter_name = "gateway"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(name, name) for name in settings.GATEWAYS]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(gateway=self.value()) if self.value() else queryset


class DeclineFilter(admin.SimpleListFilter):
    """Shows the reason by which the list was entered: asking the table which ones occur would read all of it."""

    title = "declined for"
    parameter_name = "decline_code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(code, in_words(code)) for code in request.GET.getlist("decline_code")[:1] if code]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(decline_code=self.value()) if self.value() else queryset


class Refunds(Table):
    model = Refund
    fields = ("id_link", "amount", "state", "reason", "gateway_reference", "created_at")

    @admin.display(description="Id")
    def id_link(self, refund: Refund) -> SafeString | str:
        return link(refund)

    @admin.display(description="Amount")
    def amount(self, refund: Refund) -> str:
        return money(refund.amount_minor, refund.currency)

    @admin.display(description="Status")
    def state(self, refund: Refund) -> SafeString:
        return refund_badge(refund)


class Disputes(Table):
    model = Dispute
    fields = ("id_link", "amount", "state", "reason", "evidence_due_at", "created_at")

    @admin.display(description="Id")
    def id_link(self, dispute: Dispute) -> SafeString | str:
        return link(dispute)

    @admin.display(description="Amount")
    def amount(self, dispute: Dispute) -> str:
        return money(dispute.amount_minor, dispute.currency)

    @admin.display(description="Status")
    def state(self, dispute: Dispute) -> SafeString:
        return dispute_badge(dispute)


class Outcomes(Table):
    model = GatewayOutcome
    verbose_name_plural = "What the gateway reported"
    fields = ("transaction_id", "operation", "amount", "learned_from", "occurred_at", "recorded_at")

    @admin.display(description="Amount")
    def amount(self, outcome: GatewayOutcome) -> str:
        return money(outcome.amount_minor, outcome.currency)

    @admin.display(description="Learned from")
    def learned_from(self, outcome: GatewayOutcome) -> str:
        return in_words(outcome.source)


class Postings(Table):
    model = LedgerPosting
    fields = ("transaction_id", "kind", "amount", "debit", "credit", "posted_at")

    @admin.display(description="Amount")
    def amount(self, posting: LedgerPosting) -> str:
        return money(posting.amount_minor, posting.currency)


@admin.register(ChargeAttempt)
class ChargeAttemptAdmin(Record):
    client_path = "order__client"
    found_by: ClassVar[Mapping[str, str]] = {
        ChargeAttempt.PREFIX: "pk",
        Order.PREFIX: "order",
        SagaExecution.PREFIX: "saga",
        Refund.PREFIX: "refunds",
    }
    list_display = ("typed_id", "order_link", "amount", "state", "declined_for", "card", "gateway", "created_at")
    list_filter = ("status", GatewayFilter, CreatedFilter, DeclineFilter)
    list_select_related = ("order", "saga")
    search_fields = ("gateway_reference", "card_last4")
    search_help_text = "The whole id of the charge, its order or saga, the gateway's reference, or the card's last four"
    needs: ClassVar[Mapping[str, str]] = {"saga_link": VIEW_SAGA, "calls_link": VIEW_CALL}
    fieldsets: ClassVar[Any] = [
        section("Charge", "state order_link saga_link gateway gateway_reference calls_link created_at updated_at"),
        section("Money", "amount authorized captured refunded refund_pending authorization_expires_at"),
        section(
            "Card",
            "card card_country avs_result cvv_result decline_code payment_method card_fingerprint",
        ),
    ]
    inlines = (Refunds, Disputes, Outcomes, Postings)

    @admin.display(description="Declined for")
    def declined_for(self, charge: ChargeAttempt) -> str:
        return in_words(charge.decline_code) or NOTHING

    @admin.display(description="Order")
    def order_link(self, charge: ChargeAttempt) -> SafeString | str:
        return link(charge.order)

    @admin.display(description="Saga")
    def saga_link(self, charge: ChargeAttempt) -> SafeString | str:
        return link(charge.saga)

    @admin.display(description="Calls")
    def calls_link(self, charge: ChargeAttempt) -> SafeString:
        return calls_about(charge.order)

    @admin.display(description="Status")
    def state(self, charge: ChargeAttempt) -> SafeString:
        return charge_badge(charge)

    @admin.display(description="Card")
    def card(self, charge: ChargeAttempt) -> str:
        return card_of(charge)

    @admin.display(description="Amount")
    def amount(self, charge: ChargeAttempt) -> str:
        return money(charge.amount_minor, charge.currency)

    @admin.display(description="Authorized")
    def authorized(self, charge: ChargeAttempt) -> str:
        return money(charge.authorized_minor, charge.currency)

    @admin.display(description="Captured")
    def captured(self, charge: ChargeAttempt) -> str:
        return money(charge.captured_minor, charge.currency)

    @admin.display(description="Refunded")
    def refunded(self, charge: ChargeAttempt) -> str:
        return money(charge.refunded_minor, charge.currency)

    @admin.display(description="Refund under way")
    def refund_pending(self, charge: ChargeAttempt) -> str:
        return money(charge.refund_pending_minor, charge.currency)


def calls_about(row: Order | SagaExecution) -> SafeString:
    """Where the record of the calls made for it is."""
    address = f"{reverse('admin:payments_gatewaycall_changelist')}?q={row.public_id}"
    return format_html('<a href="{}">calls to gateway and carrier</a>', address)


def card_of(charge: ChargeAttempt) -> str:
    return f"{charge.card_brand} •••• {charge.card_last4}" if charge.card_last4 else NOTHING


@admin.register(Refund)
class RefundAdmin(Record):
    client_path = "charge__order__client"
    found_by: ClassVar[Mapping[str, str]] = {
        Refund.PREFIX: "pk",
        ChargeAttempt.PREFIX: "charge",
        Order.PREFIX: "charge__order",
        SagaExecution.PREFIX: "saga",
    }
    list_display = ("typed_id", "charge_link", "order_link", "amount", "state", "reason", "created_at")
    list_filter = ("status", CreatedFilter)
    list_select_related = ("charge__order", "saga")
    search_fields = ("gateway_reference",)
    search_help_text = "The whole id of the refund, its charge, order or saga, or the gateway's reference"
    needs: ClassVar[Mapping[str, str]] = {"saga_link": VIEW_SAGA}
    fieldsets: ClassVar[Any] = [
        section(
            "Refund",
            "state amount charge_link order_link saga_link reason gateway_reference created_at updated_at",
        )
    ]

    @admin.display(description="Charge")
    def charge_link(self, refund: Refund) -> SafeString | str:
        return link(refund.charge)

    @admin.display(description="Order")
    def order_link(self, refund: Refund) -> SafeString | str:
        return link(refund.charge.order)

    @admin.display(description="Saga")
    def saga_link(self, refund: Refund) -> SafeString | str:
        return link(refund.saga)

    @admin.display(description="Amount")
    def amount(self, refund: Refund) -> str:
        return money(refund.amount_minor, refund.currency)

    @admin.display(description="Status")
    def state(self, refund: Refund) -> SafeString:
        return refund_badge(refund)
