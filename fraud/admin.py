"""What analysts see of screening. Decisions and rulesets are looked at; lists are kept.

Reviews stand in `payments.admin`: what is decided there moves money.

`type-arg` is ignored because Django's admin classes take no type arguments at run time.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from fraud.models import Decision, ListEntry, Rule, RuleSet
from orders.admin.marks import Tone, badge, in_words, link, moment
from orders.admin.pages import ReadOnly, Record, Table, section
from orders.models import Order

RULING_TONES: Final[Mapping[str, Tone]] = {"approve": "good", "challenge": "busy", "review": "busy", "block": "bad"}


@admin.register(Decision)
class DecisionAdmin(Record):
    client_path = "order__client"
    found_by: ClassVar[Mapping[str, str]] = {Decision.PREFIX: "pk", Order.PREFIX: "order"}
    list_display = ("typed_id", "order_link", "when", "ruling", "score", "reasons", "created_at")
    list_filter = ("decision", "stage", "created_at")
    list_select_related = ("order",)
    search_fields = ("order__reference", "order__customer_email", "attempt")
    search_help_text = (
        "The whole id of the decision, its order or its checkout, the order's reference or e-mail address"
    )
    needs: ClassVar[Mapping[str, str]] = {"order_link": "orders.view_order"}
    change_form_template = "admin/fraud/decision/change_form.html"
    fieldsets: ClassVar[Any] = [
        section("Decision", "ruling score when order_link attempt ruleset_version took created_at"),
        section("Verdicts", "verdict_table"),
        section("What it was decided upon", "facts"),
    ]

    @admin.display(description="Order")
    def order_link(self, decision: Decision) -> SafeString | str:
        return link(decision.order)

    @admin.display(description="Stage")
    def when(self, decision: Decision) -> str:
        return in_words(decision.stage)

    @admin.display(description="Decision")
    def ruling(self, decision: Decision) -> SafeString:
        return badge(decision.decision, RULING_TONES[decision.decision])

    @admin.display(description="Took")
    def took(self, decision: Decision) -> str:
        return f"{decision.latency_us / 1000:,.1f} ms"

    @admin.display(description="Why")
    def reasons(self, decision: Decision) -> str:
        return (
            " ".join(verdict["reason"] for verdict in decision.verdicts if not verdict["shadow"]) or "No rule spoke up."
        )

    @admin.display(description="In words")
    def verdict_table(self, decision: Decision) -> SafeString:
        if not decision.verdicts:
            return format_html("<p>{}</p>", "No rule spoke up.")
        return format_html(
            '<table class="rows"><thead><tr><th scope="col">Rule</th><th scope="col">Asks for</th>'
            '<th scope="col" class="cell-score">Score</th><th scope="col">Why</th><th scope="col">Counts</th></tr>'
            "</thead><tbody>{}</tbody></table>",
            format_html_join(
                "",
                '<tr><th scope="row">{}</th><td>{}</td><td class="cell-score">{}</td><td>{}</td><td>{}</td></tr>',
                map(_row, decision.verdicts),
            ),
        )

    @admin.display(description="Facts")
    def facts(self, decision: Decision) -> SafeString:
        known = {name: value for name, value in decision.context.items() if value not in (None, [], {}, 0)}
        rows = ((name.replace("_", " "), _in_words(value)) for name, value in known.items())
        return format_html(
            '<dl class="small-facts">{}</dl>', format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", rows)
        )


def _row(verdict: Mapping[str, Any]) -> tuple[object, ...]:
    counts = "no: shadow" if verdict["shadow"] else "yes"
    asks_for = badge(verdict["decision"], RULING_TONES[verdict["decision"]])
    return verdict["rule"], asks_for, str(verdict["score"] or ""), verdict["reason"], counts


def _in_words(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class Rules(Table):
    model = Rule
    fields = ("name", "kind", "parameters", "mode", "rollout_percent")
    ordering = ("position",)


@admin.register(RuleSet)
class RuleSetAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    change_form_template = "admin/record.html"
    list_display = ("version", "is_active", "review_score", "note", "created_at")
    ordering = ("-version",)
    show_full_result_count = False
    fieldsets: ClassVar[Any] = [section("Ruleset", "version is_active review_score note created_at")]
    inlines: ClassVar[Any] = (Rules,)


@admin.register(ListEntry)
class ListEntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("value", "kind", "list_name", "reason", "until", "created_at")
    list_filter = ("list_name", "kind", "expires_at")
    search_fields = ("value", "reason")
    ordering = ("-id",)
    show_full_result_count = False
    fields = ("list_name", "kind", "value", "reason", "expires_at")

    @admin.display(description="Until", ordering="expires_at")
    def until(self, entry: ListEntry) -> str:
        return moment(entry.expires_at) if entry.expires_at else "for good"
