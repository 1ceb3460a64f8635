"""What calls a person: the list of alerts, and the page on which somebody says that they know."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any, ClassVar, Final

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orders.admin.days import CreatedFilter
from orders.admin.marks import NOTHING, Tone, badge, identifier, link, moment, page_url
from orders.admin.pages import Record, Table, section
from orders.errors import InvalidTransition
from orders.ids import TypedModel, parse_id
from orders.models import Order
from payments.alerts import channels, kinds, services
from payments.models import Alert, AlertNotice

CHANGE: Final = "payments.change_alert"
HOURS: Final = (1, 4, 24)
LATER: Final[Mapping[str, str]] = {
    **{name: name for name in ("closed_at", "notified_at", "last_error", "acknowledged_at", "snoozed_until", "note")},
    "knower": "acknowledged_by_id",
    "snoozer": "snoozed_by_id",
}
"""What may not have come about yet, by the column that says so."""
NOTICE_TONES: Final[Mapping[str, Tone]] = {
    AlertNotice.State.PENDING: "busy",
    AlertNotice.State.SENT: "good",
    AlertNotice.State.FAILED: "bad",
    AlertNotice.State.DROPPED: "quiet",
}


class Acknowledgement(forms.Form):
    note = forms.CharField(label="Note", max_length=500, required=False)


class Snooze(Acknowledgement):
    hours = forms.TypedChoiceField(choices=[(str(hours), f"{hours} h") for hours in HOURS], coerce=int)


def _acknowledge(alert: Alert, by: Any, *, note: str) -> str:
    services.acknowledge(alert, by=by, note=note)
    return "Acknowledged: nobody is told of it again until it is over."


def _snooze(alert: Alert, by: Any, *, hours: int, note: str) -> str:
    services.snooze(alert, by=by, hours=hours, note=note)
    return f"Snoozed: nobody is told of it for {hours} h."


ACTIONS: Final[Mapping[str, tuple[type[forms.Form], Callable[..., str]]]] = {
    "acknowledge": (Acknowledgement, _acknowledge),
    "snooze": (Snooze, _snooze),
}


class QueueFilter(admin.SimpleListFilter):
    """What calls for somebody, unless one asks for something else, or searches: then everything."""

    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(name, name.capitalize()) for name in ("acknowledged", "snoozed", "closed", "all")]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": "Open"}, *others]

    def queryset(self, request: HttpRequest, queryset: Any) -> models.QuerySet[Any]:
        rows = {
            "acknowledged": queryset.acknowledged,
            "snoozed": queryset.snoozed,
            "closed": queryset.closed,
            "all": queryset.all,
        }
        otherwise = queryset.all if request.GET.get("q") else queryset.loud
        chosen: models.QuerySet[Any] = rows.get(self.value() or "", otherwise)()
        return chosen


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(name, kinds.named(name).title) for name in kinds.names()]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class Notices(Table):
    model = AlertNotice
    fields = ("what", "channel", "how", "attempts", "error", "created_at", "sent_at")
    verbose_name_plural = "what was told"

    @admin.display(description="Told")
    def what(self, notice: AlertNotice) -> str:
        return notice.event

    @admin.display(description="State")
    def how(self, notice: AlertNotice) -> SafeString:
        return badge(notice.state, NOTICE_TONES[notice.state])


@admin.register(Alert)
class AlertAdmin(Record):
    client_path = "order__client"
    found_by: ClassVar[Mapping[str, str]] = {Alert.PREFIX: "pk", Order.PREFIX: "order"}
    list_display = ("typed_id", "title", "summary", "state", "opened_at", "times_told", "order_link")
    list_filter = (QueueFilter, KindFilter, CreatedFilter)
    list_select_related = ("order", "acknowledged_by", "snoozed_by")
    search_fields = ("subject",)
    search_help_text = "The whole id of the alert, of what it is about, or of its order"
    needs: ClassVar[Mapping[str, str]] = {"order_link": "orders.view_order"}
    fieldsets: ClassVar[Any] = [
        section(
            "Alert", "title subject_link order_link opened_at last_seen_at closed_at times_told notified_at last_error"
        ),
        section("Who knows of it", "knower acknowledged_at snoozer snoozed_until note"),
    ]
    inlines = (Notices,)
    change_form_template = "admin/payments/alert/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        ours = [
            path(f"<str:object_id>/{name}/", wrap(partial(self.act, action=name)), name=f"payments_alert_{name}")
            for name in ACTIONS
        ]
        return [*ours, *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Alert | None = None) -> Any:
        """What has not come about is not told."""
        sections = [
            (title, [name for name in options["fields"] if getattr(obj, LATER.get(name, "pk"), None)])
            for title, options in super().get_fieldsets(request, obj)
        ]
        return [(title, {"fields": names}) for title, names in sections if names]

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> HttpResponse:
        alert: Alert = context["original"]
        subject_url, subject_name = _way_to(alert.subject, request.user)
        context |= {
            "subject_url": subject_url,
            "subject_name": subject_name,
            "state": self.state(alert),
            "kind": kinds.named(alert.kind),
            "hours": HOURS,
            "may_answer": request.user.has_perm(CHANGE) and alert.closed_at is None and alert.acknowledged_at is None,
            "acknowledgement": Acknowledgement(),
        }
        return super().render_change_form(request, context, *arguments, **options)

    def act(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Do what a button says; one that is only looked at (after signing in again) leads back to the alert."""
        if not (request.user.has_perm(CHANGE) and self.has_view_permission(request)):
            raise PermissionDenied
        alert: Alert | None = self.get_object(request, object_id)
        if alert is None:
            raise Http404
        if request.method == "POST":
            self._act(request, alert, action)
        return HttpResponseRedirect(page_url(alert))

    def _act(self, request: HttpRequest, alert: Alert, action: str) -> None:
        form_class, do = ACTIONS[action]
        form = form_class(request.POST)
        if not form.is_valid():
            told = " ".join(str(error) for errors in form.errors.values() for error in errors)
            self.message_user(request, f"Nothing was changed: {told}", messages.ERROR)
            return
        try:
            self.message_user(request, do(alert, request.user, **form.cleaned_data), messages.SUCCESS)
        except InvalidTransition as error:
            self.message_user(request, error.detail, messages.ERROR)

    @admin.display(description="Kind")
    def title(self, alert: Alert) -> str:
        return kinds.named(alert.kind).title

    @admin.display(description="State")
    def state(self, alert: Alert) -> SafeString:
        if alert.closed_at is not None:
            return badge("closed", "quiet")
        if alert.acknowledged_by is not None:
            return _by(badge("acknowledged", "busy"), f"by {alert.acknowledged_by}")
        if alert.snoozed_until is not None and alert.snoozed_until > timezone.now():
            return _by(badge("snoozed", "busy"), f"until {moment(alert.snoozed_until)} by {alert.snoozed_by}")
        return badge("open", "alarm")

    @admin.display(description="Told")
    def times_told(self, alert: Alert) -> SafeString | str:
        if not alert.notifications and not channels.configured():
            return "nobody: no address is set up"
        times = {0: "not yet", 1: "once"}.get(alert.notifications, f"{alert.notifications} times")
        return _by(badge("not delivered", "bad"), times) if alert.last_error else times

    @admin.display(description="Acknowledged by")
    def knower(self, alert: Alert) -> str:
        return str(alert.acknowledged_by)

    @admin.display(description="Snoozed by")
    def snoozer(self, alert: Alert) -> str:
        return str(alert.snoozed_by)

    @admin.display(description="About")
    def subject_link(self, alert: Alert) -> SafeString | str:
        return _link_to(alert.subject) if alert.subject else "everything"

    @admin.display(description="Order")
    def order_link(self, alert: Alert) -> SafeString | str:
        return link(alert.order)


def _by(mark: SafeString, told: str) -> SafeString:
    return format_html('{} <span class="by">{}</span>', mark, told)


def _link_to(subject: str) -> SafeString | str:
    """To the page of whatever has this id, if it has one: whoever may not see it is told so there."""
    row = _named(subject)
    address = _address(row) if row is not None else ""
    if address:
        return format_html('<a href="{}">{}</a>', address, identifier(subject))
    return identifier(subject) if row is not None else subject or NOTHING


def _way_to(subject: str, reader: Any) -> tuple[str, str]:
    """The address of that page and what it is a page of, for a reader who may see it; two empty words otherwise."""
    row = _named(subject)
    if row is None or not reader.has_perm(f"{row._meta.app_label}.view_{row._meta.model_name}"):
        return "", ""
    return _address(row), str(row._meta.verbose_name).partition(" ")[0]  # a saga, a charge: what people call it


def _named(subject: str) -> TypedModel | None:
    """A row of this id, whether or not there is one; None for what is no id."""
    model = _models().get(subject.rpartition("_")[0])
    key = parse_id(model.PREFIX, subject) if model else None
    return model(id=key) if model is not None and key is not None else None


def _address(row: TypedModel) -> str:
    """Empty for what has no page."""
    try:
        return page_url(row)
    except NoReverseMatch:
        return ""


@cache
def _models() -> Mapping[str, type[TypedModel]]:
    return {model.PREFIX: model for model in apps.get_models() if issubclass(model, TypedModel)}
