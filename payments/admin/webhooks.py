"""What gateways told us, and what became of it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from orders.admin.days import CreatedFilter
from orders.admin.marks import NOTHING, badge, link, moment
from orders.admin.pages import Record, section
from orders.models import Order
from payments.admin.charges import VIEW_SAGA, GatewayFilter
from payments.admin.marks import WEBHOOK_TONES, pretty_body
from payments.admin.replays import ReplayActions
from payments.models import ChargeAttempt, WebhookEvent
from payments.webhooks import words

SHORT: Final = 80
WITH_REASON: Final = (WebhookEvent.Status.FAILED, WebhookEvent.Status.WAITING_FOR_OBJECT)


def webhook_badge(event: WebhookEvent) -> SafeString:
    return badge(event.status, WEBHOOK_TONES[event.status])


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReplayActions, Record):
    client_path = "charge__order__client"
    found_by: ClassVar[Mapping[str, str]] = {
        WebhookEvent.PREFIX: "pk",
        ChargeAttempt.PREFIX: "charge",
        Order.PREFIX: "charge__order",
    }
    list_display = ("typed_id", "kind", "state", "charge_link", "gateway", "why", "attempts", "received_at")
    list_filter = ("status", GatewayFilter, CreatedFilter)
    list_select_related = ("charge__order",)
    actions = ("replay_ticked",)
    change_form_template = "admin/payments/webhookevent/change_form.html"
    search_fields = ("charge__gateway_reference",)
    search_help_text = "The whole id of the event, its charge or order, or the charge's reference at the gateway"
    needs: ClassVar[Mapping[str, str]] = {
        "charge_link": "payments.view_chargeattempt",
        "order_link": "orders.view_order",
        "saga_link": VIEW_SAGA,
    }
    fieldsets: ClassVar[Any] = [
        section("Event", "state told kind gateway event_id charge_link saga_link order_link received_at processed_at"),
        section("Handling", "attempts next_attempt error"),
        section("As the gateway sent it", "told_body"),
    ]

    @admin.display(description="Status")
    def state(self, event: WebhookEvent) -> SafeString:
        return webhook_badge(event)

    @admin.display(description="What became of it")
    def told(self, event: WebhookEvent) -> str:
        return words.became(event)

    @admin.display(description="What went wrong")
    def why(self, event: WebhookEvent) -> str:
        return Truncator(words.reason(event.error)).chars(SHORT) if event.status in WITH_REASON else NOTHING

    @admin.display(description="Saga")
    def saga_link(self, event: WebhookEvent) -> SafeString | str:
        return link(event.charge.saga if event.charge else None)

    @admin.display(description="Charge")
    def charge_link(self, event: WebhookEvent) -> SafeString | str:
        return link(event.charge)

    @admin.display(description="Order")
    def order_link(self, event: WebhookEvent) -> SafeString | str:
        return link(event.charge.order if event.charge else None)

    @admin.display(description="Next attempt")
    def next_attempt(self, event: WebhookEvent) -> str:
        return moment(event.next_attempt_at if event.status in WebhookEvent.OPEN else None)

    @admin.display(description="Body, card data masked")
    def told_body(self, event: WebhookEvent) -> SafeString | str:
        return pretty_body(event.body.encode())
