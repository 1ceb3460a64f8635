"""What analysts and operators see of screening. Decisions and rulesets are looked at; lists are kept.

`type-arg` is ignored because Django's admin classes take no type arguments at run time.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from fraud.models import Decision, ListEntry, ReviewCase, Rule, RuleSet
from orders.ids import parse_id
from orders.models import Order

SEARCH = "Id of the order or of this, the order's reference, or the customer's e-mail address"


class ReadOnly:
    """Looked at by whoever may view, changed by nobody here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class FoundByPublicId:
    """Search by the typed ids that the API and the logs show, beside the fields of `search_fields`."""

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        term = search_term.strip()
        for prefix, field in ((queryset.model.PREFIX, "pk"), (Order.PREFIX, "order")):
            if found := parse_id(prefix, term):
                return queryset.filter(**{field: found}), False
        found_by_fields: tuple[models.QuerySet[Any], bool] = super().get_search_results(request, queryset, term)  # type: ignore[misc]
        return found_by_fields


@admin.register(Decision)
class DecisionAdmin(ReadOnly, FoundByPublicId, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("public_id", "order", "stage", "decision", "score", "reasons", "ruleset_version", "created_at")
    list_filter = ("decision", "stage", "created_at")
    list_select_related = ("order",)
    search_fields = ("order__reference__exact", "order__customer_email__exact", "attempt__exact")
    search_help_text = SEARCH
    ordering = ("-id",)
    show_full_result_count = False
    fields = (
        *("public_id", "order", "attempt", "stage", "decision", "score", "verdict_table"),
        *("ruleset_version", "facts", "latency_us", "created_at"),
    )
    readonly_fields = ("public_id", "verdict_table", "facts")

    @admin.display(description="Why")
    def reasons(self, decision: Decision) -> str:
        return (
            " ".join(verdict["reason"] for verdict in decision.verdicts if not verdict["shadow"]) or "No rule spoke up."
        )

    @admin.display(description="Verdicts")
    def verdict_table(self, decision: Decision) -> SafeString:
        if not decision.verdicts:
            return format_html("<p>{}</p>", "No rule spoke up.")
        return format_html(
            "<table><thead><tr><th>Rule</th><th>Asks for</th><th>Score</th><th>Why</th><th>Counts</th></tr></thead>"
            "<tbody>{}</tbody></table>",
            format_html_join(
                "", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", map(_row, decision.verdicts)
            ),
        )

    @admin.display(description="Facts")
    def facts(self, decision: Decision) -> SafeString:
        known = {name: value for name, value in decision.context.items() if value not in (None, [], {}, 0)}
        rows = ((name.replace("_", " "), _in_words(value)) for name, value in known.items())
        return format_html(
            "<table><tbody>{}</tbody></table>", format_html_join("", "<tr><th>{}</th><td>{}</td></tr>", rows)
        )


def _row(verdict: Mapping[str, Any]) -> tuple[str, ...]:
    counts = "no: shadow" if verdict["shadow"] else "yes"
    return verdict["rule"], verdict["decision"], str(verdict["score"] or ""), verdict["reason"], counts


def _in_words(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class RuleInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    model = Rule
    extra = 0
    fields = ("name", "kind", "parameters", "mode", "rollout_percent")


@admin.register(RuleSet)
class RuleSetAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("version", "is_active", "review_score", "note", "created_at")
    ordering = ("-version",)
    show_full_result_count = False
    fields = ("version", "is_active", "review_score", "note", "created_at")
    inlines: ClassVar = [RuleInline]


@admin.register(ListEntry)
class ListEntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("value", "kind", "list_name", "reason", "expires_at", "created_at")
    list_filter = ("list_name", "kind", "expires_at")
    search_fields = ("value", "reason")
    ordering = ("-id",)
    show_full_result_count = False
    fields = ("list_name", "kind", "value", "reason", "expires_at")


@admin.register(ReviewCase)
class ReviewCaseAdmin(ReadOnly, FoundByPublicId, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("public_id", "order", "state", "outcome", "due_at", "claimed_by", "closed_by", "created_at")
    list_filter = ("state", "outcome", "due_at")
    search_fields = ("order__reference__exact", "order__customer_email__exact")
    search_help_text = SEARCH
    ordering = ("-id",)
    show_full_result_count = False
    fields = (
        *("public_id", "decision", "order", "state", "outcome", "due_at"),
        *("claimed_by", "closed_by", "note", "created_at", "closed_at"),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[ReviewCase]:
        return super().get_queryset(request).select_related("order", "decision", "claimed_by", "closed_by")
