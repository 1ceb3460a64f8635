"""Idempotency keys: what became of a client's request."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.utils.safestring import SafeString

from orders.admin.marks import badge, link
from orders.admin.pages import Record
from payments.admin.charges import VIEW_SAGA
from payments.admin.marks import pretty, pretty_bytes
from payments.models import IdempotencyKey, SagaExecution


class IsFrozen(admin.EmptyFieldListFilter):
    title = "answer"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.title = "answer"

    def choices(self, changelist: Any) -> Any:
        words = {"Empty": "Not settled yet", "Not empty": "Settled for good"}
        for choice in super().choices(changelist):
            yield {**choice, "display": words.get(str(choice["display"]), choice["display"])}


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(Record):
    client_path = "client"
    found_by: ClassVar[Mapping[str, str]] = {SagaExecution.PREFIX: "saga"}
    list_display = ("key", "client", "settled", "saga_link", "created_at", "frozen_at")
    list_filter = (("status", IsFrozen), "created_at")
    list_select_related = ("client", "saga")
    search_fields = ("key",)
    search_help_text = "The whole key, or the id of the saga it began"
    needs: ClassVar[Mapping[str, str]] = {"saga_link": VIEW_SAGA}
    fieldsets: ClassVar[Any] = [
        ("Request", {"fields": ["key", "client", "settled", "saga_link", "created_at", "frozen_at", "fingerprint"]}),
        ("Stored answer", {"fields": ["stored_headers", "stored_answer"]}),
    ]

    @admin.display(description="Answer")
    def settled(self, key: IdempotencyKey) -> SafeString:
        if key.status is None:
            return badge("not settled yet", "busy")
        return badge(f"settled with {key.status}", "good" if key.status < 400 else "bad")

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
        return pretty_bytes(key.answer)
