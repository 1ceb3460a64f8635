"""Lists that are read by their ids: no row is counted, and the last page is as quick as the first."""

from typing import Any, Final

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.utils.functional import cached_property

from orders.admin.marks import page_url
from orders.ids import parse_id

OLDER_THAN: Final = "older_than"
NEWER_THAN: Final = "newer_than"


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts only as far as people page: counting a table that grows for years would cost more than the page."""

    CAP = 5_000

    @cached_property
    def count(self) -> int:
        rows: models.QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[: self.CAP].count()


class TypedChangeList(ChangeList):
    """A list whose links carry typed ids."""

    def url_for_result(self, result: models.Model) -> str:
        return page_url(result)


class KeysetChangeList(TypedChangeList):
    """Newest first; a page begins beside a row, named in its address, and not after so many rows."""

    is_keyset = True
    older_url = newer_url = ""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> models.QuerySet[Any]:
        """Where the page begins is no filter, and is left behind by the links of filters."""
        self.older_than, self.newer_than = self._take(OLDER_THAN), self._take(NEWER_THAN)
        self._take(ORDER_VAR)
        return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        rows = self._read(self.list_per_page + 1)
        has_more, page = len(rows) > self.list_per_page, rows[: self.list_per_page]
        is_back = bool(self.newer_than)
        self.result_list: Any = page[::-1] if is_back else page
        if page and (has_more or is_back):
            self.older_url = self._beside(OLDER_THAN, self.result_list[-1])
        if page and (has_more if is_back else self.older_than):
            self.newer_url = self._beside(NEWER_THAN, self.result_list[0])
        self.result_count = self.full_result_count = len(page)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = True  # where there are any: they take the rows of this page, so none is counted
        self.paginator = Paginator(page, self.list_per_page)

    def _read(self, limit: int) -> list[Any]:
        if self.newer_than:
            return list(self.queryset.filter(pk__gt=self._key(self.newer_than)).order_by("pk")[:limit])
        rows = self.queryset.filter(pk__lt=self._key(self.older_than)) if self.older_than else self.queryset
        return list(rows.order_by("-pk")[:limit])

    def _take(self, name: str) -> str:
        self.filter_params.pop(name, None)
        return str(self.params.pop(name, ""))

    def _key(self, text: str) -> Any:
        try:
            return parse_id(getattr(self.model, "PREFIX", ""), text) or self.lookup_opts.pk.to_python(text)
        except ValidationError as error:
            raise IncorrectLookupParameters from error

    def _beside(self, parameter: str, row: Any) -> str:
        return self.get_query_string({parameter: getattr(row, "public_id", row.pk)})
