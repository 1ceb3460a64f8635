"""What is said of the document as a whole: what operations share, and which leads to which."""

from collections.abc import Iterator
from typing import Any, Final

from config.openapi import refusals
from config.openapi.refusals import Schema

DEPTH: Final = 4
"""How far into an answer an id is looked for: `results`, its first row, a part of it, the id."""
_PATTERN: Final = "pattern"


def complete(result: Schema, **_: Any) -> Schema:
    """Add the parts that operations refer to, and links; a postprocessing hook of drf-spectacular's."""
    components = result["components"]
    components["schemas"] |= refusals.SCHEMAS
    components["headers"] = refusals.HEADERS
    components["responses"] = {}
    operations = [operation for methods in result["paths"].values() for operation in methods.values()]
    for operation in operations:
        _link(operation, operations, components["schemas"])
        _share(operation, components["responses"])
    return result


def _share(operation: Schema, shared: Schema) -> None:
    """A refusal for one reason is the same wherever it happens."""
    for status, answer in operation["responses"].items():
        codes = _codes(answer)
        if len(codes) == 1 and "Idempotent-Replayed" not in answer["headers"]:
            name = codes[0].title().replace("_", "")
            shared[name] = answer
            operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}


def _codes(answer: Schema) -> list[str]:
    problem = answer.get("content", {}).get(refusals.MEDIA_TYPE)
    codes: list[str] = problem["schema"]["allOf"][1]["properties"]["code"]["enum"] if problem else []
    return codes


def _link(operation: Schema, operations: list[Schema], schemas: Schema) -> None:
    """Say where a successful answer holds the id that another operation is asked with."""
    for status, answer in operation["responses"].items():
        media = answer.get("content", {}).get("application/json", {})
        if not status.startswith("2") or not media:
            continue
        pointers: dict[str, str] = {}
        for pattern, pointer in sorted(
            _ids(media["schema"], schemas, "", DEPTH), key=lambda found: found[1].count("/")
        ):
            pointers.setdefault(pattern, pointer)
        links = {other["operationId"]: _parameters(other, pointers) for other in operations}
        answer["links"] = {
            name: {"operationId": name, "parameters": parameters} for name, parameters in links.items() if parameters
        }


def _parameters(operation: Schema, pointers: dict[str, str]) -> dict[str, str]:
    """A value for each part of the operation's address; none unless there is one for all of them."""
    parts = {part["name"]: part["schema"].get(_PATTERN) for part in operation["parameters"] if part["in"] == "path"}
    if not all(pattern in pointers for pattern in parts.values()):
        return {}
    return {name: f"$response.body#{pointers[pattern]}" for name, pattern in parts.items()}


def _ids(schema: Schema, schemas: Schema, pointer: str, depth: int) -> Iterator[tuple[str, str]]:
    """The pattern and the place of every id in what this schema describes."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "_[0-7]" in schema.get(_PATTERN, ""):
        yield schema[_PATTERN], pointer
    if not depth:
        return
    for name, part in schema.get("properties", {}).items():
        yield from _ids(part, schemas, f"{pointer}/{name}", depth - 1)
    if "items" in schema:
        yield from _ids(schema["items"], schemas, f"{pointer}/0", depth - 1)
    for part in (*schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _ids(part, schemas, pointer, depth)
