"""The OpenAPI document as a page shows it: operations by subject, and what goes in and comes out as tables."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config.openapi.refusals import MEDIA_TYPE, Schema

ADDRESS: Final = "#/components/"
LIMITS: Final = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "maxProperties": "at most {} members",
}
BIGGEST: Final = 2**63 - 1
MANY: Final = 20
"""Choices beyond this number are not listed: whoever wants all currencies reads the document itself."""


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter, a member of a body, or a header."""

    name: str
    kind: SafeString
    is_required: bool
    text: SafeString
    place: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one status comes with: a schema where it went well, codes of problems where it did not."""

    status: str
    schema: str
    codes: list[str]
    headers: list[str]


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    method: str
    path: str
    short: SafeString
    text: SafeString
    parameters: list[Row]
    body: str
    example: str
    answers: list[Answer]


@dataclass(frozen=True, slots=True)
class Definition:
    """A schema with members, or one that is a choice."""

    name: str
    text: SafeString
    kind: SafeString
    members: list[Row]


def page(document: Schema) -> dict[str, Any]:
    """The context of the template."""
    subjects: dict[str, list[Operation]] = defaultdict(list)
    for subject, operation in _operations(document):
        subjects[subject].append(operation)
    return {
        "info": document["info"],
        "text": prose(document["info"]["description"]),
        "subjects": [(name, sorted(found, key=lambda one: one.path)) for name, found in subjects.items()],
        "definitions": [_definition(*item) for item in sorted(document["components"]["schemas"].items())],
    }


def breakable(path: str) -> SafeString:
    """An address that may go on in the next line after each of its parts."""
    return format_html_join(SafeString("/<wbr>"), "{}", ((part,) for part in path.split("/")))


def prose(text: str) -> SafeString:
    """What stands in backticks is code; everything is escaped."""
    parts = enumerate(text.split("`"))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", part) if at % 2 else part,) for at, part in parts)
    )


def _operations(document: Schema) -> Iterator[tuple[str, Operation]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            media = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            yield (
                operation["tags"][0],
                Operation(
                    name=operation["operationId"],
                    method=method.upper(),
                    path=path,
                    short=breakable(path.removeprefix("/v1")),
                    text=prose(operation.get("description", "")),
                    parameters=[_parameter(part) for part in operation["parameters"]],
                    body=_name(media.get("schema", {})),
                    example=_example(media),
                    answers=[_answer(document, *item) for item in sorted(operation["responses"].items())],
                ),
            )


def _parameter(part: Schema) -> Row:
    schema = part["schema"]
    text = part.get("description") or schema.get("description", "")
    return Row(part["name"], kind(schema), part.get("required", False), prose(text), part["in"])


def _example(media: Schema) -> str:
    values = [example["value"] for example in media.get("examples", {}).values()]
    return json.dumps(values[0], indent=2) if values else ""


def _answer(document: Schema, status: str, answer: Schema) -> Answer:
    answer = resolved(document, answer)
    content = answer.get("content", {})
    schema = next((_name(media["schema"]) for media in content.values()), "")
    problem = content.get(MEDIA_TYPE)
    codes = problem["schema"]["allOf"][1]["properties"]["code"]["enum"] if problem else []
    headers = [name for name in answer.get("headers", {}) if name != "X-Request-ID"]
    return Answer(status, schema, codes, headers)


def _definition(name: str, schema: Schema) -> Definition:
    required = schema.get("required", ())
    members = [
        Row(member, kind(part), member in required, prose(part.get("description", "")))
        for member, part in schema.get("properties", {}).items()
    ]
    return Definition(name, prose(schema.get("description", "")), kind(schema), members)


def resolved(document: Schema, part: Schema) -> Schema:
    """What a `$ref` into the components refers to."""
    address = str(part.get("$ref", ""))
    if not address.startswith(ADDRESS):
        return part
    kind_of_part, name = address.removeprefix(ADDRESS).split("/")
    found: Schema = document["components"][kind_of_part][name]
    return found


def kind(schema: Schema) -> SafeString:
    """A schema in words, with a link for whatever has a name."""
    if "$ref" in schema:
        return format_html('<a href="#schema-{0}">{0}</a>', _name(schema))
    for alternatives in ("oneOf", "anyOf", "allOf"):
        if alternatives in schema and not ("type" in schema and alternatives == "anyOf"):
            return _joined(" or ", [kind(part) for part in schema[alternatives]])
    words = [_type(schema), *_details(schema)]
    return _joined(", ", [word for word in words if word])


def _type(schema: Schema) -> SafeString:
    if "enum" in schema:
        choices = schema["enum"][:MANY]
        listed = _joined(", ", [format_html("<code>{}</code>", choice or '""') for choice in choices])
        return format_html(
            "{}{}", listed, f" and {len(schema['enum']) - MANY} more" if len(schema["enum"]) > MANY else ""
        )
    types = schema.get("type", "anything")
    names = types if isinstance(types, list) else [types]
    if "items" in schema:
        return format_html("array of {}", kind(schema["items"]))
    if isinstance(schema.get("additionalProperties"), Mapping) and schema["additionalProperties"]:
        return format_html("object of ({})", kind(schema["additionalProperties"]))
    return format_html("{}", " or ".join(names))


def _details(schema: Schema) -> Iterator[SafeString]:
    if "format" in schema and schema["format"] != "int64":
        yield format_html("{}", schema["format"])
    if "minimum" in schema:
        yield _range(schema["minimum"], schema.get("maximum", BIGGEST))
    for name, words in LIMITS.items():
        if name in schema and (name, schema[name]) != ("minLength", 1):
            yield format_html(words, schema[name])
    if "default" in schema:
        yield format_html("{} unless given", schema["default"])


def _range(first: int, last: int) -> SafeString:
    return format_html("{} or more", first) if last == BIGGEST else format_html("{} to {}", first, last)


def _joined(separator: str, parts: list[SafeString]) -> SafeString:
    return format_html_join(separator, "{}", ((part,) for part in parts))


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]
