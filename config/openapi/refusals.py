"""How an operation refuses: each status it may answer with, and the codes that come with it."""

from collections import defaultdict
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from config.problems import DOCUMENTATION, Kind

Schema = dict[str, Any]

MEDIA_TYPE: Final = "application/problem+json"
ALWAYS_WAITS: Final = frozenset({429, 500, 503})
"""Statuses that always come with `Retry-After`; a 409 or 502 does where waiting helps."""

PROBLEM: Final[Schema] = {
    "type": "object",
    "description": "Problem details for HTTP APIs (RFC 9457). Branch on `code`; `title` and `detail` are for people.",
    "required": ["type", "title", "status", "detail", "code", "retriable", "request_id"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "pattern": f"^{DOCUMENTATION}#[a-z_]+$",
            "description": "The address of the code's description.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "code": {"type": "string", "pattern": "^[a-z_]+$"},
        "retriable": {"type": "boolean", "description": "Whether the same request may succeed later."},
        "request_id": {"type": "string", "description": "The id on every log line of the request."},
        "order": {"type": "string", "description": "The order of the checkout that ended so."},
        "saga": {"type": "string", "description": "The saga that ended so."},
        "charge": {"type": "string", "description": "The charge attempt that ended so."},
        "errors": {
            "type": "array",
            "description": "Every faulty field at once; comes with `validation_failed`.",
            "items": {"$ref": "#/components/schemas/Fault"},
        },
    },
}
FAULT: Final[Schema] = {
    "type": "object",
    "required": ["field", "code", "message"],
    "properties": {
        "field": {"type": "string", "description": "Its path, such as `lines.0.quantity`; empty for the whole body."},
        "code": {"type": "string"},
        "message": {"type": "string"},
    },
}
SCHEMAS: Final = {"Problem": PROBLEM, "Fault": FAULT}

HEADERS: Final[Schema] = {
    "X-Request-ID": {
        "description": "The id of the request: the client's own if it sent a sane one, else a new one.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Idempotent-Replayed": {
        "description": "The answer is that of an earlier request with this key, to the byte.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {
        "description": "Seconds to wait before the request is repeated.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "enum": ["Bearer"]}},
    "Location": {"required": True, "schema": {"type": "string", "format": "uri-reference"}},
}


def responses(kinds: Iterable[Kind], *, endings: Iterable[Kind]) -> dict[str, Schema]:
    """One response for each status, with all the codes it stands for; only `endings` are ever replayed."""
    by_status: dict[int, set[Kind]] = defaultdict(set)
    for kind in (*kinds, *endings):
        by_status[kind.status].add(kind)
    replayed = {kind.status for kind in endings}
    return {
        str(status): _response(status, sorted(kinds, key=lambda kind: kind.code), is_replayed=status in replayed)
        for status, kinds in sorted(by_status.items())
    }


def _response(status: int, kinds: list[Kind], *, is_replayed: bool) -> Schema:
    codes = {"type": "object", "properties": {"code": {"enum": [kind.code for kind in kinds]}}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, codes]}
    return {
        "description": "\n".join(f"* `{kind.code}`: {kind.title}" for kind in kinds),
        "headers": _headers(status, kinds, is_replayed=is_replayed),
        "content": {MEDIA_TYPE: {"schema": schema}},
    }


def _headers(status: int, kinds: list[Kind], *, is_replayed: bool) -> Schema:
    names = ["X-Request-ID"]
    if status == HTTPStatus.UNAUTHORIZED:
        names.append("WWW-Authenticate")
    if is_replayed:
        names.append("Idempotent-Replayed")
    headers = {name: header(name) for name in names}
    if any(kind.retriable for kind in kinds):
        headers["Retry-After"] = {**HEADERS["Retry-After"], "required": status in ALWAYS_WAITS}
    return headers


def header(name: str) -> Schema:
    return {"$ref": f"#/components/headers/{name}"}
