"""Idempotency keys: what became of a client's request."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from orders.admin.marks import badge, link, moment
from orders.admin.pages import Record, section
from payments.admin.charges import VIEW_SAGA
from payments.admin.marks import pretty, pretty_body
from payments.models import IdempotencyKey, SagaExecution


class SettledFilter(admin.SimpleListFilter):
    title = "answer"
    parameter_name = "answer"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [("open", "not settled yet"), ("settled", "settled for good")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status__isnull=self.value() == "open") if self.value() else queryset


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(Record):
    client_path = "client"
    found_by: ClassVar[Mapping[str, str]] = {SagaExecution.PREFIX: "saga"}
    list_display = ("key", "client", "settled", "saga_link", "created_at", "frozen_at")
    list_filter = (SettledFilter, "created_at")
    list_select_related = ("client", "saga")
    search_fields = ("key", "request_id")
    search_help_text = "The whole key, the request's id, or the id of the saga it began"
    needs: ClassVar[Mapping[str, str]] = {"saga_link": VIEW_SAGA}
    fieldsets: ClassVar[Any] = [
        section("Request", "key client request_id settled saga_link created_at frozen_at remembered fingerprint"),
        section("Stored answer", "stored_headers stored_answer"),
    ]

    @admin.display(description="Answer")
    def settled(self, key: IdempotencyKey) -> SafeString:
        if key.status is None:
            return badge("not settled yet", "busy")
        return badge(f"settled with {key.status}", "good" if key.status < 400 else "bad")

    @admin.display(description="Remembered")
    def remembered(self, key: IdempotencyKey) -> str:
        if key.frozen_at is None:
            return "as long as what it began is open"
        return f"until {moment(key.frozen_at + timedelta(days=settings.IDEMPOTENCY_KEY_DAYS))}"

    @admin.display(description="Saga")
    def saga_link(self, key: IdempotencyKey) -> SafeString | str:
        try:
            return link(key.saga)
        except ObjectDoesNotExist:
            return link(None)

    @admin.display(description="Headers")
    def stored_headers(self, key: IdempotencyKey) -> SafeString | str:
        return pretty(key.headers)

    @admin.display(description="Body")
    def stored_answer(self, key: IdempotencyKey) -> SafeString | str:
        return pretty_body(bytes(key.answer))
