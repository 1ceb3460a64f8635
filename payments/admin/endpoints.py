"""Where clients want their events sent. Secrets are shown nowhere, but for a new one, once, to who has asked for it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orders.admin.days import CreatedFilter
from orders.admin.marks import Tone, badge
from orders.admin.pages import Record, section
from payments.admin.confirmed import Action, ConfirmedActions
from payments.events import endpoints
from payments.models import WebhookEndpoint, WebhookSecret

State = WebhookEndpoint.State
TONES: Final[Mapping[str, Tone]] = {State.ENABLED: "good", State.DISABLED: "quiet", State.DELETED: "quiet"}


def shown_url(endpoint: WebhookEndpoint) -> str:
    """Without its query, which may be a password."""
    path, mark, _query = endpoint.url.partition("?")
    return f"{path}?…" if mark else path


def _is_enabled(endpoint: WebhookEndpoint) -> bool:
    return endpoint.state == State.ENABLED


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ConfirmedActions, Record):
    client_path = "client"
    found_by: ClassVar[Mapping[str, str]] = {WebhookEndpoint.PREFIX: "pk"}
    list_display = ("typed_id", "client", "address", "status", "wanted", "created_at")
    list_filter = ("state", "disabled_reason", CreatedFilter)
    list_select_related = ("client",)
    search_fields = ("client__username",)
    search_help_text = "The whole id of the endpoint, or the name of its client"
    needs: ClassVar[Mapping[str, str]] = {"messages_link": "payments.view_eventdelivery"}
    fieldsets: ClassVar[Any] = [
        section("Endpoint", "status client address wanted enabled_at disabled_at created_at messages_link"),
        section("How it does", "failures rests_until"),
        section("Its secrets", "signed_with"),
    ]
    confirmed: ClassVar[Mapping[str, Action]] = {
        "test": Action(
            "Send a test event",
            "payments.test_webhook_endpoint",
            "The endpoint is sent an event of the type webhook.test, whatever it asks for.",
            "A test event is on its way.",
            endpoints.send_test,
            _is_enabled,
        ),
        "rotate": Action(
            "Replace the secret",
            "payments.rotate_webhook_secret",
            "Messages are signed with a new secret and, for 24 hours more, with the one so far. "
            "The new one is shown once, on the next page: its client has to get it from you.",
            "The secret was replaced.",
            lambda endpoint: endpoints.rotate_secret(endpoint, overlap=timedelta(hours=endpoints.OVERLAP_HOURS)),
            lambda endpoint: endpoint.state != State.DELETED,
        ),
        "disable": Action(
            "Disable",
            "payments.change_webhookendpoint",
            "Nothing is sent any more, neither what is on its way. The client's events stay readable over the API.",
            "The endpoint is disabled.",
            endpoints.disable,
            _is_enabled,
        ),
        "enable": Action(
            "Enable",
            "payments.change_webhookendpoint",
            "What happens from now on is sent. What happened meanwhile is not: it can be read over the API.",
            "The endpoint is enabled.",
            endpoints.enable,
            lambda endpoint: endpoint.state == State.DISABLED,
        ),
    }

    def answer(self, request: HttpRequest, row: Any, action: Action, made: Any) -> HttpResponse:
        """A secret is told by this very answer: messages are kept in a cookie or in the session."""
        if not isinstance(made, WebhookSecret):
            return super().answer(request, row, action, made)
        page = self._page_of(request, row, action, "admin/payments/secret.html", secret=made.key)
        page["Cache-Control"] = "no-store"
        return page

    @admin.display(description="State")
    def status(self, endpoint: WebhookEndpoint) -> SafeString:
        if endpoint.disabled_reason in (WebhookEndpoint.Reason.FAILING, WebhookEndpoint.Reason.GONE):
            return badge(f"{endpoint.state}: {endpoint.disabled_reason}", "alarm")
        return badge(endpoint.state, TONES[endpoint.state])

    @admin.display(description="Address")
    def address(self, endpoint: WebhookEndpoint) -> str:
        return shown_url(endpoint)

    @admin.display(description="Events")
    def wanted(self, endpoint: WebhookEndpoint) -> str:
        return ", ".join(endpoint.kinds) or "all"

    @admin.display(description="Messages")
    def messages_link(self, endpoint: WebhookEndpoint) -> SafeString:
        address = reverse("admin:payments_eventdelivery_changelist")
        return format_html('<a href="{}?q={}">What was sent to it</a>', address, endpoint.public_id)

    @admin.display(description="Secrets in force")
    def signed_with(self, endpoint: WebhookEndpoint) -> str:
        return str(len(endpoints.keys_in_force(endpoint)))
