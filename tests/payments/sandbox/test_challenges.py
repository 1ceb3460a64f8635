from html.parser import HTMLParser
from typing import Any

import pytest
from urllib3 import BaseHTTPResponse

from tests.payments.sandbox.shop import Shop


class Page(HTMLParser):
    """The forms and buttons of a page, and every address it would load something from."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[str] = []
        self.loaded: list[str] = []
        self.language = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag == "form":
            assert values["method"] == "post"
            self.forms.append(values["action"] or "")
        if tag == "html":
            self.language = values["lang"] or ""
        self.loaded += [values[name] or "" for name in ("src", "href") if name in values]


def visit(shop: Shop, url: str) -> BaseHTTPResponse:
    return shop.sandbox.http.request("GET", url)


def click(shop: Shop, charge: str, button: str) -> BaseHTTPResponse:
    url = f"{shop.sandbox.url}/3ds/{charge}/{button}"
    return shop.sandbox.http.request("POST", url, fields={}, encode_multipart=False, redirect=False)


@pytest.mark.parametrize(("token", "fields"), [("tok_3ds", {}), ("tok_visa", {"three_d_secure": True})])
def test_a_challenge_is_answered_on_a_page_of_the_sandbox(shop: Shop, token: str, fields: dict[str, Any]) -> None:
    charge = shop.authorize(token, **fields).json()["charge"]

    page = visit(shop, charge["next_action"]["url"])

    assert charge["status"] == "requires_action"
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    html = Page(page.data.decode())
    assert html.forms == [f"/3ds/{charge['id']}/approve", f"/3ds/{charge['id']}/fail"]
    assert (html.language, html.loaded) == ("en", [])
    assert "50.00 USD" in page.data.decode()


def test_the_page_shows_what_the_shop_sent_as_text(shop: Shop) -> None:
    body = {"order": "<b>&", "amount": 1, "currency": "JPY", "payment_method": "tok_3ds"}
    charge = shop.sandbox.post("/v1/charges", body).json()["charge"]

    page = visit(shop, charge["next_action"]["url"]).data.decode()

    assert "&lt;b&gt;&amp;" in page
    assert "1 JPY" in page


@pytest.mark.parametrize(
    ("button", "status", "result", "operation_status"),
    [("approve", "authorized", "succeeded", "succeeded"), ("fail", "failed", "failed", "failed")],
)
def test_the_customers_answer_decides(shop: Shop, button: str, status: str, result: str, operation_status: str) -> None:
    key = shop.key()
    charge = shop.authorize("tok_3ds", key=key).json()["charge"]["id"]

    click(shop, charge, button)

    entry = shop.last_entry()
    assert (entry["operation"], entry["result"], entry["charge"]) == ("authenticate", result, charge)
    found = shop.charge(charge)
    assert (found["status"], found["next_action"]) == (status, None)
    assert [o["status"] for o in shop.operations(key)] == [operation_status]


def test_an_approved_challenge_can_be_captured(shop: Shop) -> None:
    charge = shop.authorized("tok_3ds")
    click(shop, charge, "approve")

    assert shop.charge(charge)["authorization_expires_at"]
    assert shop.capture(charge).status == 200


def test_the_customer_goes_back_to_the_shop(shop: Shop) -> None:
    charge = shop.authorized("tok_3ds", return_url="https://shop.example/thanks?order=1")

    answer = click(shop, charge, "approve")

    assert (answer.status, answer.headers["Location"]) == (303, "https://shop.example/thanks?order=1")


def test_without_an_address_to_go_back_to_the_page_shows_what_came_of_it(shop: Shop) -> None:
    charge = shop.authorized("tok_3ds")

    answer = click(shop, charge, "fail")

    assert (answer.status, answer.headers["Location"]) == (303, f"/3ds/{charge}")
    assert b"Payment not approved" in visit(shop, f"{shop.sandbox.url}/3ds/{charge}").data


def test_a_second_answer_changes_nothing(shop: Shop) -> None:
    charge = shop.authorized("tok_3ds")
    click(shop, charge, "approve")

    assert click(shop, charge, "fail").status == 303
    assert shop.charge(charge)["status"] == "authorized"


def test_a_voided_challenge_cannot_be_approved_any_more(shop: Shop) -> None:
    charge = shop.authorized("tok_3ds")
    assert shop.void(charge).json()["charge"]["status"] == "voided"

    click(shop, charge, "approve")

    assert shop.charge(charge)["status"] == "voided"
    assert b"Payment cancelled" in visit(shop, f"{shop.sandbox.url}/3ds/{charge}").data


def test_a_challenge_nobody_made_has_no_page(shop: Shop) -> None:
    assert visit(shop, f"{shop.sandbox.url}/3ds/sch_nobody").status == 404
    assert click(shop, "sch_nobody", "approve").status == 404
