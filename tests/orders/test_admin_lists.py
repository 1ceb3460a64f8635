import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.demo_data.records import id_at
from orders.models import Order
from tests.office import Office
from tests.orders.builders import make_client

pytestmark = pytest.mark.django_db

LIST = "orders_order_changelist"


@pytest.fixture
def office() -> Office:
    return Office(groups=("Operator",))


def make_orders(count: int, **fields: Any) -> list[Order]:
    """Newest first."""
    facts = {"currency": "USD", "amount_minor": 1, "customer_id": "c", "customer_email": "c@example.com", **fields}
    facts.setdefault("client", make_client())
    return Order.objects.bulk_create([Order(**facts) for _ in range(count)])[::-1]


def shown(html: str) -> list[str]:
    return re.findall(r'<th class="field-typed_id">.*?/(ord_\w+)/change/', html)


def beside(html: str, relation: str) -> str:
    """The address of the page of older (`next`) or newer (`prev`) rows; empty where there is none."""
    found = re.search(rf'<a href="([^"]+)" rel="{relation}">', html)
    return f"/admin/orders/order/{unescape(found[1])}" if found else ""


def walk(office: Office, html: str, relation: str) -> list[list[str]]:
    pages = [shown(html)]
    while link := beside(html, relation):
        html = office.follow(link).content.decode()
        pages.append(shown(html))
    return pages


@pytest.mark.parametrize("count", [0, 1, 50, 51, 120])
def test_following_older_shows_every_order_once_newest_first(office: Office, count: int) -> None:
    orders = make_orders(count)

    pages = walk(office, office.page(LIST), "next")

    assert [order for page in pages for order in page] == [order.public_id for order in orders]
    assert all(len(page) == 50 for page in pages[:-1])


def test_following_newer_leads_back_to_the_first_page(office: Office) -> None:
    make_orders(120)
    first = office.page(LIST)
    second = office.follow(beside(first, "next")).content.decode()
    last = office.follow(beside(second, "next")).content.decode()

    assert walk(office, last, "prev") == [shown(last), shown(second), shown(first)]
    assert not beside(first, "prev")


def test_pages_keep_the_filters_and_filters_leave_the_page(office: Office) -> None:
    make_orders(60, status="completed")
    make_orders(60)

    html = office.follow(beside(office.page(LIST, status__exact="completed"), "next")).content.decode()

    assert len(shown(html)) == 10
    assert beside(html, "prev").count("status__exact=completed") == 1
    others = re.findall(r'<a href="(\?[^"]*status__exact=open[^"]*)"', html)
    assert others
    assert not any("older_than" in link or "newer_than" in link for link in others)


def test_a_list_counts_nothing_and_skips_nothing(office: Office) -> None:
    orders = make_orders(60)

    with CaptureQueriesContext(connection) as queries:
        office.page(LIST, older_than=orders[5].public_id)

    asked = [query["sql"].upper() for query in queries if "ORDERS_ORDER" in query["sql"].upper()]
    assert len(asked) == 1
    assert "COUNT(" not in asked[0]
    assert "OFFSET" not in asked[0]


@pytest.mark.parametrize("parameter", ["older_than", "newer_than"])
@pytest.mark.parametrize("value", ["x", "saga_01h455vb4pex5vsknk084sn02q", "7", "'"])
def test_a_page_beside_nothing_leads_back_to_the_list(office: Office, parameter: str, value: str) -> None:
    assert office.get(LIST, **{parameter: value}).url.endswith("?e=1")


def test_another_order_of_rows_is_not_to_be_had(office: Office) -> None:
    orders = make_orders(3)

    assert shown(office.page(LIST, o="3")) == [order.public_id for order in orders]


def test_orders_of_some_days_are_chosen_by_an_address_that_stays(office: Office) -> None:
    today = make_orders(1)[0]
    ago = {days: make_orders(1, pk=id_at(timezone.now() - timedelta(days=days)))[0] for days in (3, 20, 40)}

    found = {value: shown(office.page(LIST, created=value)) for value in ("today", "7-days", "30-days", "never")}

    assert found["today"] == [today.public_id]
    assert found["7-days"] == [today.public_id, ago[3].public_id]
    assert found["30-days"] == [today.public_id, ago[3].public_id, ago[20].public_id]
    assert len(found["never"]) == 4


def test_orders_are_narrowed_to_one_client(office: Office) -> None:
    own, other = make_orders(1)[0], make_orders(1)[0]

    html = office.page(LIST, client=own.client.username)

    assert shown(html) == [own.public_id]
    assert f"client={other.client.username}" in html


def test_who_works_for_one_client_is_offered_no_other() -> None:
    office = Office("orders.view_order")
    other = make_client()

    assert other.username not in office.page(LIST)
