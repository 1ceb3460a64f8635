"""The page on which people read what happened to a checkout, step by step."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import Case, OuterRef, QuerySet, Subquery, When
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from fraud.models import Decision
from orders.admin.days import CreatedFilter
from orders.admin.marks import NOTHING, in_words, link, moment
from orders.admin.pages import Record, section
from orders.models import Order
from payments.admin import timeline
from payments.admin.bulk import BulkActions
from payments.admin.charges import VIEW_CALL, Refunds, calls_about
from payments.admin.interventions import VIEW_INTERVENTION, SagaActions
from payments.admin.marks import pretty, saga_badge
from payments.admin.narrative import WAITING_FOR, state_of, waiting_for, why
from payments.admin.queues import QueueFilter
from payments.models import ChargeAttempt, Refund, SagaEvent, SagaExecution
from payments.redaction import redact
from payments.sagas import registry

WAITING_FIELDS: Final = ("waits_for", "waits_until", "next_run")
SHORT: Final = 100
"""Characters of a reason in a list."""


class DefinitionFilter(admin.SimpleListFilter):
    """The sagas this build can run: asking the table which ones occur would read all of it."""

    title = "definition"
    parameter_name = "definition"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return sorted({(name, name) for name, _version in registry.versions()})

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(definition=self.value()) if self.value() else queryset


class WaitingFilter(admin.SimpleListFilter):
    title = "waiting for"
    parameter_name = "waiting_for"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(name, in_words(name)) for name in WAITING_FOR]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        waiting = {"state": SagaExecution.State.WAITING, "waiting_for": self.value()}
        return queryset.filter(**waiting) if self.value() else queryset


@admin.register(SagaExecution)
class SagaExecutionAdmin(SagaActions, BulkActions, Record):
    client_path = "order__client"
    found_by: ClassVar[Mapping[str, str]] = {
        SagaExecution.PREFIX: "pk",
        Order.PREFIX: "order",
        ChargeAttempt.PREFIX: "charges",
        Refund.PREFIX: "refunds",
    }
    list_display = (
        "typed_id",
        "definition",
        "status",
        "standing",
        "amount",
        "reference",
        "order_link",
        "next_run",
        "updated_at",
    )
    list_filter = (QueueFilter, "state", DefinitionFilter, CreatedFilter, WaitingFilter)
    list_select_related = ("order", "idempotency_key")
    actions = ("retry_ticked", "pause_ticked", "resume_ticked")
    search_fields = ("business_key",)
    search_help_text = "The whole id of the saga, its order or its charge, or the business key"
    needs: ClassVar[Mapping[str, str]] = {
        "order_link": "orders.view_order",
        "amount": "orders.view_order",
        "reference": "orders.view_order",
        "charge_link": "payments.view_chargeattempt",
        "key_link": "payments.view_idempotencykey",
        "calls_link": VIEW_CALL,
    }
    fieldsets: ClassVar[Any] = [
        section(
            "What it is",
            "told stands_because failed_because order_link amount reference charge_link waits_for waits_until next_run "
            "key_link calls_link created_at updated_at finished_at",
        ),
        section("How it is carried on", "way defined_by business_key lease epoch recoveries", is_folded=True),
    ]
    inlines = (Refunds,)
    change_form_template = "admin/payments/sagaexecution/change_form.html"

    def get_list_display(self, request: HttpRequest) -> Any:
        return [name for name in super().get_list_display(request) if self._is_shown(request, str(name))]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the reason for which a saga has stopped, which only the rows that are shown ask for."""
        stops = SagaEvent.objects.filter(saga=OuterRef("pk"), kind=OuterRef("state")).order_by("-id")
        why = Case(When(state__in=SagaExecution.STUCK, then=Subquery(stops.values("reason")[:1])))
        return super().get_queryset(request).annotate(stopped_because=why)

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> HttpResponse:
        saga: SagaExecution = context["original"]
        decisions: Iterable[Decision] = []
        if request.user.has_perm("fraud.view_decision"):
            decisions = Decision.objects.filter(attempt=saga.public_id)
        context["timeline"] = timeline.of(
            saga,
            saga.steps.all(),
            saga.events.all(),
            decisions,
            links_interventions=request.user.has_perm(VIEW_INTERVENTION),
        )
        context["saga_context"] = pretty(saga.context)
        return super().render_change_form(request, context, *arguments, **options)

    def get_fieldsets(self, request: HttpRequest, obj: SagaExecution | None = None) -> Any:
        """What it waits for is told only while it may wait, why it stands or turned back only when it did."""
        is_waiting, has_failed = obj is None or obj.state in SagaExecution.ACTIVE, obj is None or bool(obj.failure)
        omitted = (() if is_waiting else WAITING_FIELDS) + (() if has_failed else ("failed_because",))
        omitted += () if obj is None or obj.state in SagaExecution.STUCK else ("stands_because",)
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name not in omitted]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    @admin.display(description="State")
    def status(self, saga: SagaExecution) -> SafeString:
        return saga_badge(saga)

    @admin.display(description="State in words")
    def told(self, saga: SagaExecution) -> SafeString:
        return format_html("{} {}", saga_badge(saga), state_of(saga))

    @admin.display(description="Waits for, or stands because")
    def standing(self, saga: Any) -> str:
        because = Truncator(redact(saga.stopped_because or "")).chars(SHORT)
        return because or waiting_for(saga) or NOTHING

    @admin.display(description="Why it stands")
    def stands_because(self, saga: SagaExecution) -> str:
        """What the step in hand came to; or what the engine said, where no step was to blame."""
        step = saga.steps.filter(position=saga.cursor, direction=saga.direction, error__has_key="detail").first()
        if step is not None:
            return timeline.told_of(step, saga)
        event = saga.events.filter(kind=saga.state).last()
        return event.reason if event is not None else NOTHING

    @admin.display(description="Amount")
    def amount(self, saga: SagaExecution) -> str:
        return str(saga.order.total)

    @admin.display(description="Reference")
    def reference(self, saga: SagaExecution) -> str:
        return saga.order.reference or NOTHING

    @admin.display(description="Why it turned back")
    def failed_because(self, saga: SagaExecution) -> str:
        return f"{why(saga)} ({in_words(saga.failure.get('code', ''))})" if saga.failure else NOTHING

    @admin.display(description="Order")
    def order_link(self, saga: SagaExecution) -> SafeString | str:
        return link(saga.order)

    @admin.display(description="Charge")
    def charge_link(self, saga: SagaExecution) -> SafeString | str:
        """The last one, if a checkout had to go to several gateways."""
        return link(saga.charges.last())

    @admin.display(description="Calls")
    def calls_link(self, saga: SagaExecution) -> SafeString:
        return calls_about(saga)

    @admin.display(description="Idempotency key")
    def key_link(self, saga: SagaExecution) -> SafeString | str:
        return link(saga.idempotency_key)

    @admin.display(description="Definition")
    def defined_by(self, saga: SagaExecution) -> str:
        return f"{saga.definition}, version {saga.version}"

    @admin.display(description="Direction")
    def way(self, saga: SagaExecution) -> str:
        is_forward = saga.direction == SagaExecution.Direction.FORWARD
        return "forward" if is_forward else "back, undoing what was done"

    @admin.display(description="Waiting for")
    def waits_for(self, saga: SagaExecution) -> str:
        return waiting_for(saga) or NOTHING

    @admin.display(description="At the latest until")
    def waits_until(self, saga: SagaExecution) -> str:
        return moment(saga.deadline_at)

    @admin.display(description="Next run")
    def next_run(self, saga: SagaExecution) -> str:
        return moment(saga.next_run_at if saga.state in SagaExecution.ACTIVE else None)

    @admin.display(description="Lease")
    def lease(self, saga: SagaExecution) -> str:
        if not saga.lease_owner and saga.lease_until is None:
            return "nobody works on it now"
        return f"{saga.lease_owner or 'somebody'} until {moment(saga.lease_until)}"
