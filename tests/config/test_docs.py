import re

import pytest
from django.test import Client


def test_the_schema_is_json_and_needs_no_token(client: Client) -> None:
    schema = client.get("/v1/openapi.json").json()

    assert schema["openapi"].startswith("3.")
    assert schema["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}
    assert all(path.startswith("/v1/") for path in schema["paths"])


def test_the_reference_names_every_operation_of_the_schema(client: Client) -> None:
    page, schema = client.get("/v1/docs").content.decode(), client.get("/v1/openapi.json").json()

    operations = [operation["operationId"] for methods in schema["paths"].values() for operation in methods.values()]
    assert operations
    assert all(f'id="{name}"' in page for name in operations)


def test_every_link_of_the_reference_leads_somewhere(client: Client) -> None:
    page, errors = (client.get(path).content.decode() for path in ("/v1/docs", "/v1/docs/errors"))

    assert re.findall(r'href="#([^"]+)"', page)
    assert [name for name in re.findall(r'href="#([^"]+)"', page) if f'id="{name}"' not in page] == []
    assert [code for code in re.findall(r'errors#([^"]+)"', page) if f'id="{code}"' not in errors] == []


def test_the_reference_tells_limits_choices_codes_and_an_example(client: Client) -> None:
    page = client.get("/v1/docs").content.decode()

    checkout = page.partition('<section id="orders_checkout_create">')[2].partition("</section>")[0]
    assert "string, at most 255 characters" in checkout
    assert "&quot;payment_method&quot;: &quot;tok_visa&quot;" in checkout
    assert '<a href="/v1/docs/errors#out_of_stock"><code>out_of_stock</code></a>' in checkout
    assert "integer, 1 to 100, 20 unless given" in page
    assert "<code>requires_action</code>, <code>in_review</code>" in page


@pytest.mark.parametrize("path", ["/v1/", "/v1/docs", "/v1/docs/errors", "/v1/openapi.json"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_pages_are_there_to_be_read(path: str, method: str) -> None:
    answer = Client(enforce_csrf_checks=True).generic(method, path)

    assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json")
    assert "GET" in answer["Allow"]


@pytest.mark.parametrize("path", ["/v1/docs", "/v1/docs/errors"])
def test_the_pages_need_nothing_that_the_content_policy_forbids(client: Client, path: str) -> None:
    page = client.get(path).content.decode()

    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|(?:src|href)=\"(?:https?:)?//", page)


@pytest.mark.django_db  # closing a streamed answer looks after the connections too
def test_the_pages_style_sheet_is_served_without_collecting_it_first(client: Client) -> None:
    [href] = re.findall(r'<link rel="stylesheet" href="([^"]+)"', client.get("/v1/docs").content.decode())

    answer = client.get(href)
    assert answer["Content-Type"].startswith("text/css")
    assert b"font" in b"".join(answer)
    answer.close()
