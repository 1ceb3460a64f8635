"""The API's reference and its table of errors as plain pages: no script, nothing from elsewhere."""

import json
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.generators import SchemaGenerator

from config import problems
from config.openapi.page import page

View = Callable[[HttpRequest], HttpResponse]


def read_only(view: View) -> View:
    """Anything but reading is told as everywhere under `/v1/`: a page without a form needs no CSRF token."""

    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return problems.problem(problems.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        return view(request)

    return guarded


@read_only
def home(request: HttpRequest) -> HttpResponse:
    return redirect("docs")


@read_only
def errors(request: HttpRequest) -> HttpResponse:
    return render(request, "docs/errors.html", {"kinds": problems.every_kind()})


@read_only
def openapi(request: HttpRequest) -> HttpResponse:
    return HttpResponse(json.dumps(_document(), default=str), "application/json")


@read_only
def reference(request: HttpRequest) -> HttpResponse:
    return render(request, "docs/reference.html", _reference())


@cache
def _document() -> dict[str, Any]:
    """The OpenAPI document. It depends on the code and the settings alone."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return schema


@cache
def _reference() -> dict[str, Any]:
    return page(_document())
