"""Every call to a gateway or carrier, as it was made and answered."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from orders.admin.marks import NOTHING, Tone, badge, in_words, link, moment
from orders.admin.pages import Record, section
from orders.models import Order
from payments import circuits
from payments.admin.charges import VIEW_SAGA
from payments.admin.marks import pretty
from payments.gateways.base import Operation
from payments.models import ChargeAttempt, GatewayCall, SagaExecution

CALL_TONES: Final[Mapping[str, Tone]] = {
    GatewayCall.Outcome.SUCCEEDED: "good",
    GatewayCall.Outcome.PENDING: "busy",
    GatewayCall.Outcome.REQUIRES_ACTION: "busy",
    GatewayCall.Outcome.DECLINED: "bad",
    GatewayCall.Outcome.REFUSED: "bad",
    GatewayCall.Outcome.NEVER_SENT: "alarm",
    GatewayCall.Outcome.UNKNOWN: "alarm",
}
OPERATIONS: Final = (*Operation, "open", "look_up", "list_transactions")


def call_badge(call: GatewayCall) -> SafeString:
    return badge(call.outcome, CALL_TONES[call.outcome])


class PeerFilter(admin.SimpleListFilter):
    """Of the settings, as the other lists have it."""

    title = "gateway"
    parameter_name = "gateway"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(name, in_words(name)) for name in circuits.names()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(gateway=self.value()) if self.value() else queryset


class OperationFilter(admin.SimpleListFilter):
    title = "operation"
    parameter_name = "operation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(str(name), in_words(name)) for name in OPERATIONS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(operation=self.value()) if self.value() else queryset


@admin.register(GatewayCall)
class GatewayCallAdmin(Record):
    client_path = "order__client"
    found_by: ClassVar[Mapping[str, str]] = {
        SagaExecution.PREFIX: "saga",
        Order.PREFIX: "order",
        ChargeAttempt.PREFIX: "saga__charges",
    }
    list_display = ("made_at", "gateway", "what", "state", "status", "took", "saga_link", "order_link")
    list_filter = (PeerFilter, OperationFilter, "outcome")
    list_select_related = ("order", "saga")
    search_fields = ("order__reference",)
    search_help_text = (
        "The whole id of the saga, order or charge it was about, the order's reference, or the idempotency key"
    )
    needs: ClassVar[Mapping[str, str]] = {"saga_link": VIEW_SAGA, "order_link": "orders.view_order"}
    fieldsets: ClassVar[Any] = [
        section("Call", "gateway what state status took made_at order_link saga_link step_name key url"),
        section("As it was sent, card data masked", "sent"),
        section("As it was answered", "answered"),
    ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A key begins with its saga's id, which an index knows."""
        saga, colon, _rest = search_term.strip().partition(":")
        if not colon:
            return super().get_search_results(request, queryset, search_term)
        rows, distinct = super().get_search_results(request, queryset, saga)
        return rows.filter(key=search_term.strip()), distinct

    @admin.display(description="When")
    def made_at(self, call: GatewayCall) -> str:
        return moment(call.at)

    @admin.display(description="Operation")
    def what(self, call: GatewayCall) -> str:
        return in_words(call.operation)

    @admin.display(description="Came to")
    def state(self, call: GatewayCall) -> SafeString:
        return call_badge(call)

    @admin.display(description="Took")
    def took(self, call: GatewayCall) -> str:
        return f"{call.milliseconds:,} ms"

    @admin.display(description="Saga")
    def saga_link(self, call: GatewayCall) -> SafeString | str:
        return link(call.saga)

    @admin.display(description="Order")
    def order_link(self, call: GatewayCall) -> SafeString | str:
        return link(call.order)

    @admin.display(description="Step")
    def step_name(self, call: GatewayCall) -> str:
        return str(call.step) if call.step else NOTHING

    @admin.display(description="Request")
    def sent(self, call: GatewayCall) -> SafeString | str:
        return pretty(call.request)

    @admin.display(description="Answer")
    def answered(self, call: GatewayCall) -> SafeString | str:
        return pretty(call.answer)
