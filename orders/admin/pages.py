"""What the back office's lists and pages have in common.

`type-arg` is ignored because Django's admin classes take no type arguments at run time.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from orders.admin.lists import CappedPaginator, KeysetChangeList, TypedChangeList
from orders.admin.marks import identifier
from orders.ids import parse_id
from orders.models import ACCESS_ALL_CLIENTS


class ReadOnly:
    """Looked at by whoever may view, changed by nobody here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def section(title: str, names: str, *, is_folded: bool = False) -> tuple[str, dict[str, Any]]:
    """A fieldset; `names` are its fields, with blanks between. What is folded stands at the end of the page."""
    return title, {"fields": names.split(), "classes": ["collapse"] if is_folded else []}


class Record(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """A list and a page of facts. People without `access_all_clients` see what is their own.

    `client_path` leads to the client a row belongs to; `found_by` maps the prefixes of typed ids to where they are
    looked for; `search_fields` are matched exactly, each by itself, so that an index can answer; `needs` names the
    permission without which a field is left out.
    """

    client_path: ClassVar[str]
    found_by: ClassVar[Mapping[str, str]] = {}
    needs: ClassVar[Mapping[str, str]] = {}

    change_form_template = "admin/record.html"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    list_per_page = 50
    ordering = ("-id",)
    sortable_by = ()
    actions: Any = None

    @admin.display(description="Id")
    def typed_id(self, row: Any) -> SafeString:
        return identifier(row.public_id)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Called after what is in it; "Select … to view" says nothing."""
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetChangeList if tuple(self.get_ordering(request)) == ("-id",) else TypedChangeList

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request)
        if isinstance(self.list_select_related, Sequence):
            rows = rows.select_related(*self.list_select_related)
        is_for_all = request.user.has_perm(ACCESS_ALL_CLIENTS)
        return rows if is_for_all else rows.filter(**{self.client_path: request.user.pk})

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        parsed = parse_id(getattr(self.model, "PREFIX", ""), object_id)
        return super().get_object(request, str(parsed) if parsed else object_id, from_field)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [
            (title, {**options, "fields": [name for name in options["fields"] if self._is_shown(request, str(name))]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def _is_shown(self, request: HttpRequest, field: str) -> bool:
        return field not in self.needs or request.user.has_perm(self.needs[field])

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        for prefix, path in self.found_by.items():
            if found := parse_id(prefix, term):
                return queryset.filter(**{path: found}), False
        rows = self.model._default_manager.order_by()
        first, *others = (rows.filter(**{str(field): term}).values("pk") for field in self.search_fields)
        return queryset.filter(pk__in=first.union(*others)), False


class Table(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """Rows that belong to a page, in one query; left out for people who may not view them."""

    template = "admin/table.html"
    extra = 0
    ordering = ("id",)
    list_select_related: ClassVar[Sequence[str]] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.select_related(*self.list_select_related) if self.list_select_related else rows
