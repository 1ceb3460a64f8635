"""What the document says of every operation. Whether it is true is asked by tests/api/test_schema.py."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from config import problems
from config.openapi.schema import PATH_IDS
from tests.api.endpoints import endpoints

Schema = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Schema:
    found: Schema = Client().get("/v1/openapi.json").json()
    return found


def operations(document: Schema) -> Iterator[tuple[str, Schema]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def resolved(document: Schema, part: Schema) -> Schema:
    """What a `$ref` refers to."""
    for name in part["$ref"].split("/")[1:] if "$ref" in part else ():
        document = document[name]
    return document if "$ref" in part else part


def codes(document: Schema, operation: Schema, status: str) -> set[str]:
    answer = resolved(document, operation["responses"][status])
    [_, told] = answer["content"]["application/problem+json"]["schema"]["allOf"]
    return set(told["properties"]["code"]["enum"])


def test_it_is_valid_and_nothing_in_it_was_guessed(document: Schema) -> None:
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        SchemaGenerator().get_schema(request=None, public=True)

    validate_schema(document)
    assert not GENERATOR_STATS


def test_it_has_every_address_that_wants_a_token(document: Schema) -> None:
    paths = {re.sub(r"<str:(\w+)>", r"{\1}", f"/v1/{one.route}") for one in endpoints() if one.needs_token}

    assert paths <= set(document["paths"])
    assert {
        operation["security"] == [{"token": []}] for name, operation in operations(document) if "webhooks" not in name
    } == {True}


def test_every_operation_tells_how_it_is_refused(document: Schema) -> None:
    for name, operation in operations(document):
        has_token, has_body = "security" in operation, "requestBody" in operation
        statuses = {"400", "406", "429", "500", "503"} | ({"401", "403"} if has_token else set())
        statuses |= {"413", "415", "422"} if has_body and has_token else set()
        statuses |= {"404"} if "{" in name else set()

        assert statuses <= set(operation["responses"]), name


def test_every_refusal_is_a_problem_with_known_codes_of_its_status(document: Schema) -> None:
    kinds = {kind.code: kind.status for kind in problems.every_kind()}
    for name, operation in operations(document):
        for status in (status for status in operation["responses"] if status >= "400"):
            assert {kinds[code] for code in codes(document, operation, status)} == {int(status)}, name


def test_every_post_that_takes_a_key_says_so_and_tells_what_keys_are_refused_for(document: Schema) -> None:
    for endpoint in (endpoint for endpoint in endpoints() if "POST" in endpoint.methods):
        operation = document["paths"][re.sub(r"<str:(\w+)>", r"{\1}", f"/v1/{endpoint.route}")]["post"]
        names = {part["name"] for part in operation["parameters"] if part["in"] == "header" and part.get("required")}

        assert ("Idempotency-Key" in names) == endpoint.takes_key
        if endpoint.takes_key:
            assert {"idempotency_key_missing", "idempotency_key_invalid"} <= codes(document, operation, "400")
            assert "idempotency_in_flight" in codes(document, operation, "409")
            assert "idempotency_key_reused" in codes(document, operation, "422")


def test_what_may_be_sent_has_no_room_for_unknown_members(document: Schema) -> None:
    bodies = {
        resolved(document, operation["requestBody"]["content"]["application/json"]["schema"])["additionalProperties"]
        for name, operation in operations(document)
        if "requestBody" in operation and "webhooks" not in name
    }

    assert bodies == {False}


def test_every_id_in_an_address_says_what_it_looks_like(document: Schema) -> None:
    for name, operation in operations(document):
        for part in operation["parameters"]:
            if part["in"] == "path" and part["name"].endswith("_id"):
                assert part["name"] in PATH_IDS, f"Whose id is {part['name']}? Add it to PATH_IDS ({name})."
                assert part["schema"]["pattern"].startswith(f"^{PATH_IDS[part['name']].PREFIX}_")


def test_answers_lead_to_the_operations_that_take_their_ids(document: Schema) -> None:
    links = document["paths"]["/v1/orders/{order_id}/checkout"]["post"]["responses"]["201"]["links"]

    assert links["charges_refunds_create"]["parameters"] == {"charge_id": "$response.body#/charge/id"}
    assert links["orders_retrieve"]["parameters"] == {"order_id": "$response.body#/order/id"}
    assert all(link["operationId"] in json.dumps(document["paths"]) for link in links.values())


def test_headers_that_clients_act_on_are_told(document: Schema) -> None:
    checkout = document["paths"]["/v1/orders/{order_id}/checkout"]["post"]["responses"]

    assert {"Location", "Idempotent-Replayed", "X-Request-ID"} == set(checkout["201"]["headers"])
    assert {"Idempotent-Replayed", "X-Request-ID"} == set(checkout["402"]["headers"])
    assert resolved(document, checkout["429"])["headers"]["Retry-After"]["required"]
    assert not checkout["409"]["headers"]["Retry-After"]["required"]
    assert "WWW-Authenticate" in resolved(document, checkout["401"])["headers"]
