"""What gateways reported, and what the ledger made of it. Both are kept for good."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.utils.safestring import SafeString

from orders.admin.marks import in_words, link, money
from orders.admin.pages import Record, section
from orders.models import Order
from payments.admin.charges import GatewayFilter
from payments.models import ChargeAttempt, GatewayOutcome, LedgerPosting


class Movement(Record):
    """A movement of one charge, found by its transaction's id at the gateway."""

    client_path = "charge__order__client"
    found_by: ClassVar[Mapping[str, str]] = {ChargeAttempt.PREFIX: "charge", Order.PREFIX: "charge__order"}
    list_select_related: ClassVar[Any] = ("charge__order",)
    list_display_links = ("transaction_id",)
    search_fields = ("transaction_id",)
    search_help_text = "The gateway's transaction id, or the whole id of the charge or the order"

    @admin.display(description="Charge")
    def charge_link(self, movement: GatewayOutcome | LedgerPosting) -> SafeString | str:
        return link(movement.charge)

    @admin.display(description="Order")
    def order_link(self, movement: GatewayOutcome | LedgerPosting) -> SafeString | str:
        return link(movement.charge.order if movement.charge else None)

    @admin.display(description="Amount")
    def amount(self, movement: GatewayOutcome | LedgerPosting) -> str:
        return money(movement.amount_minor, movement.currency)


@admin.register(LedgerPosting)
class LedgerPostingAdmin(Movement):
    list_display = ("transaction_id", "kind", "amount", "debited", "credited", "charge_link", "gateway", "posted_at")
    list_filter = ("kind", "debit", "credit", GatewayFilter, "posted_at")
    fieldsets: ClassVar[Any] = [
        section(
            "Posting",
            "kind amount debited credited charge_link order_link gateway "
            "gateway_account transaction_id reverses_link occurred_at posted_at",
        )
    ]
    list_select_related = ("charge__order", "reverses")

    @admin.display(description="Debit")
    def debited(self, posting: LedgerPosting) -> str:
        return in_words(posting.debit)

    @admin.display(description="Credit")
    def credited(self, posting: LedgerPosting) -> str:
        return in_words(posting.credit)

    @admin.display(description="Reverses")
    def reverses_link(self, posting: LedgerPosting) -> SafeString | str:
        return link(posting.reverses)


@admin.register(GatewayOutcome)
class GatewayOutcomeAdmin(Movement):
    list_display = ("transaction_id", "operation", "amount", "learned_from", "charge_link", "gateway", "recorded_at")
    list_filter = ("source", GatewayFilter, "recorded_at")
    fieldsets: ClassVar[Any] = [
        section(
            "Report",
            "operation amount learned_from charge_link order_link gateway transaction_id occurred_at recorded_at",
        )
    ]

    @admin.display(description="Learned from")
    def learned_from(self, outcome: GatewayOutcome) -> str:
        return in_words(outcome.source)
