"""What clients were told, and how each endpoint took it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.utils.safestring import SafeString

from orders.admin.days import CreatedFilter
from orders.admin.marks import Tone, badge, identifier, link, moment
from orders.admin.pages import Record, Table, section
from payments.admin.confirmed import Action, ConfirmedActions
from payments.admin.endpoints import shown_url
from payments.admin.marks import pretty, pretty_body
from payments.events import endpoints
from payments.models import ClientEvent, EventDelivery, WebhookEndpoint

State = EventDelivery.State
TONES: Final[Mapping[str, Tone]] = {State.PENDING: "busy", State.DELIVERED: "good", State.FAILED: "bad"}


def delivery_badge(delivery: EventDelivery) -> SafeString:
    return badge(delivery.state, TONES[delivery.state])


class Deliveries(Table):
    model = EventDelivery
    verbose_name_plural = "Where it was sent"
    fields = ("id_link", "address", "how", "attempts", "error", "delivered_at")
    list_select_related = ("endpoint",)

    @admin.display(description="Id")
    def id_link(self, delivery: EventDelivery) -> SafeString | str:
        return link(delivery)

    @admin.display(description="Address")
    def address(self, delivery: EventDelivery) -> str:
        return shown_url(delivery.endpoint)

    @admin.display(description="State")
    def how(self, delivery: EventDelivery) -> SafeString:
        return delivery_badge(delivery)


@admin.register(ClientEvent)
class ClientEventAdmin(Record):
    client_path = "client"
    found_by: ClassVar[Mapping[str, str]] = {ClientEvent.PREFIX: "pk"}
    list_display = ("typed_id", "kind", "about", "client", "created_at")
    list_filter = ("kind", CreatedFilter)
    list_select_related = ("client",)
    search_fields = ("subject",)
    search_help_text = "The whole id of the event, or of what it is about"
    fieldsets: ClassVar[Any] = [
        section("Event", "kind about sequence client created_at fanned_out_at"),
        section("What is told", "told_data"),
    ]
    inlines = (Deliveries,)

    @admin.display(description="About")
    def about(self, event: ClientEvent) -> SafeString:
        return identifier(event.subject)

    @admin.display(description="Data")
    def told_data(self, event: ClientEvent) -> SafeString | str:
        return pretty(event.data)


@admin.register(EventDelivery)
class EventDeliveryAdmin(ConfirmedActions, Record):
    client_path = "endpoint__client"
    found_by: ClassVar[Mapping[str, str]] = {
        EventDelivery.PREFIX: "pk",
        WebhookEndpoint.PREFIX: "endpoint",
        ClientEvent.PREFIX: "event",
    }
    list_display = ("typed_id", "kind", "client", "address", "how", "attempts", "error", "created_at")
    list_filter = ("state", CreatedFilter)
    list_select_related = ("event", "endpoint__client")
    search_fields = ("event__subject",)
    search_help_text = "The whole id of the message, its event, its endpoint, or of what the event is about"
    needs: ClassVar[Mapping[str, str]] = {
        "event_link": "payments.view_clientevent",
        "endpoint_link": "payments.view_webhookendpoint",
    }
    fieldsets: ClassVar[Any] = [
        section("Message", "how kind event_link endpoint_link client address created_at delivered_at"),
        section("Attempts", "attempts last_attempt_at next_attempt status milliseconds error"),
        section("What is sent", "sent_body"),
        section("How the last answer began", "told_answer"),
    ]
    confirmed: ClassVar[Mapping[str, Action]] = {
        "resend": Action(
            "Send again",
            "payments.resend_event",
            "The endpoint is sent this event again, under the same id, whatever became of it before.",
            "The event is on its way again.",
            endpoints.resend,
            lambda delivery: delivery.endpoint.state == WebhookEndpoint.State.ENABLED,
        ),
    }

    @admin.display(description="State")
    def how(self, delivery: EventDelivery) -> SafeString:
        return delivery_badge(delivery)

    @admin.display(description="Type")
    def kind(self, delivery: EventDelivery) -> str:
        return delivery.event.kind

    @admin.display(description="Client")
    def client(self, delivery: EventDelivery) -> str:
        return str(delivery.endpoint.client)

    @admin.display(description="Address")
    def address(self, delivery: EventDelivery) -> str:
        return shown_url(delivery.endpoint)

    @admin.display(description="Event")
    def event_link(self, delivery: EventDelivery) -> SafeString | str:
        return link(delivery.event)

    @admin.display(description="Endpoint")
    def endpoint_link(self, delivery: EventDelivery) -> SafeString | str:
        return link(delivery.endpoint)

    @admin.display(description="Next attempt")
    def next_attempt(self, delivery: EventDelivery) -> str:
        return moment(delivery.next_attempt_at if delivery.state == State.PENDING else None)

    @admin.display(description="Body")
    def sent_body(self, delivery: EventDelivery) -> SafeString | str:
        return pretty_body(delivery.event.body)

    @admin.display(description="Answer, secrets masked")
    def told_answer(self, delivery: EventDelivery) -> SafeString | str:
        return pretty_body(delivery.answer.encode())
