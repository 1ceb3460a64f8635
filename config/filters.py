"""A list's query string is read like a body: what is not known, empty or there twice is refused, never guessed at."""

from typing import TYPE_CHECKING, Any, Final

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView

Faults = dict[str, list[ErrorDetail]]

_UNKNOWN: Final = "This list has no such parameter."
_TWICE: Final = "This parameter is there more than once."
_EMPTY: Final = "This parameter has no value."


class StrictFilters(DjangoFilterBackend):  # type: ignore[misc]
    """Names every fault of the query string at once."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: "APIView") -> QuerySet[Any]:
        filterset = self.get_filterset(request, queryset, view)
        faults: Faults = {} if filterset is None else dict(_of_values(filterset))
        faults |= _of_names(request, known={*_pagination_names(view), *(filterset.filters if filterset else ())})
        if faults:
            raise ValidationError(faults)
        found: QuerySet[Any] = queryset if filterset is None else filterset.qs
        return found


def _of_values(filterset: Any) -> Faults:
    return {
        name: [ErrorDetail(message, code=error.code) for error in errors.as_data() for message in error.messages]
        for name, errors in filterset.errors.items()
    }


def _of_names(request: Request, *, known: set[str]) -> Faults:
    faults = {}
    for name, values in request.query_params.lists():
        if name not in known:
            faults[name] = [ErrorDetail(_UNKNOWN, code="unknown")]
        elif len(values) > 1:
            faults[name] = [ErrorDetail(_TWICE, code="twice")]
        elif not values[0]:
            faults[name] = [ErrorDetail(_EMPTY, code="blank")]
    return faults


def _pagination_names(view: Any) -> set[str]:
    pagination = getattr(view, "pagination_class", None)
    parameters = pagination().get_schema_operation_parameters(view) if pagination else []
    return {parameter["name"] for parameter in parameters}
