"""Django's error pages: problems for the API's clients, pages for people."""

import sys

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from config import problems


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/v1/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return problems.problem(problems.kind_of(exception) or problems.MALFORMED)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problems.problem(problems.FORBIDDEN) if _is_api(request) else defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return problems.problem(problems.NOT_FOUND, "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Called while the error is being handled; an unreachable database is told from a fault of ours."""
    if not _is_api(request):
        return defaults.server_error(request)
    error = sys.exc_info()[1]
    known = problems.exception_handler(error, {}) if isinstance(error, Exception) else None
    return known or problems.problem(problems.INTERNAL, headers={"Retry-After": "1"})
