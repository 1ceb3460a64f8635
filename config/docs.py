"""The API's reference and its table of errors as plain pages: no script, nothing from elsewhere."""

import json
from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.generators import SchemaGenerator

from config import problems

Page = Callable[[HttpRequest], HttpResponse]


def read_only(page: Page) -> Page:
    """Anything but reading is told as everywhere under `/v1/`: a page without a form needs no CSRF token."""

    @csrf_exempt
    @wraps(page)
    def guarded(request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return problems.problem(problems.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        return page(request)

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
    schema = _document()
    schemas = schema.get("components", {}).get("schemas", {})
    return {
        "info": schema["info"],
        "operations": list(_operations(schema["paths"])),
        "schemas": [(name, json.dumps(body, indent=2, default=str)) for name, body in sorted(schemas.items())],
    }


def _operations(paths: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in sorted(paths.items()):
        for method, operation in methods.items():
            yield {
                "method": method.upper(),
                "path": path,
                "id": operation["operationId"],
                "description": operation.get("description", ""),
                "parameters": operation.get("parameters", []),
                "body": _schema_name(operation.get("requestBody", {})),
                "responses": [(status, _schema_name(answer)) for status, answer in operation["responses"].items()],
            }


def _schema_name(content: dict[str, Any]) -> str:
    """The name of the schema a body refers to, if it has one."""
    for media in content.get("content", {}).values():
        reference = str(media.get("schema", {}).get("$ref", ""))
        return reference.rpartition("/")[2]
    return ""
