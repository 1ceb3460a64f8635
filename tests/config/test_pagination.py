from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from config.pagination import Cursor, KeysetPagination
from orders.ids import new_id
from orders.models import Order
from tests.config.builders import make_user


def make_orders(count: int) -> list[Order]:
    """Newest first."""
    client = make_user()
    orders = [
        Order(client=client, currency="USD", amount_minor=1, customer_id="c", customer_email="c@example.com")
        for _ in range(count)
    ]
    return Order.objects.bulk_create(orders)[::-1]


def page(query: str = "") -> dict[str, Any]:
    pagination = KeysetPagination()
    request = Request(APIRequestFactory().get(f"/v1/orders{query}"))
    rows = pagination.paginate_queryset(Order.objects.all(), request)
    found: dict[str, Any] = pagination.get_paginated_response([row.pk for row in rows]).data
    return found


def query_of(link: str) -> str:
    return f"?{urlsplit(link).query}"


def walk(query: str, direction: str) -> list[list[Any]]:
    pages, link = [], query
    while True:
        found = page(link)
        pages.append(found["results"])
        if found[direction] is None:
            return pages
        link = query_of(found[direction])


@pytest.mark.django_db
@pytest.mark.parametrize(("count", "size"), [(0, 5), (1, 5), (5, 5), (6, 5), (11, 5), (7, 1)])
def test_following_next_shows_every_row_once_newest_first(count: int, size: int) -> None:
    orders = make_orders(count)

    pages = walk(f"?page_size={size}", "next")

    assert [key for rows in pages for key in rows] == [order.pk for order in orders]
    assert all(len(rows) == size for rows in pages[:-1])


@pytest.mark.django_db
def test_following_previous_leads_back_by_the_same_pages() -> None:
    make_orders(11)
    forward = walk("?page_size=5", "next")
    second = query_of(page("?page_size=5")["next"])
    last = query_of(page(second)["next"])

    assert walk(last, "previous") == forward[::-1]


@pytest.mark.django_db
def test_rows_that_come_meanwhile_move_no_page() -> None:
    orders = make_orders(6)
    following = query_of(page("?page_size=3")["next"])
    Order.objects.create(
        client=orders[0].client, currency="USD", amount_minor=1, customer_id="c", customer_email="c@example.com"
    )

    assert page(following)["results"] == [order.pk for order in orders[3:]]


@pytest.mark.django_db
def test_links_keep_the_filters() -> None:
    make_orders(3)

    link = page("?page_size=2&status=open")["next"]

    assert parse_qs(urlsplit(link).query).keys() == {"page_size", "status", "cursor"}


@pytest.mark.django_db
def test_a_page_is_one_query_and_counts_nothing() -> None:
    make_orders(6)

    with CaptureQueriesContext(connection) as queries:
        page("?page_size=2")

    assert len(queries) == 1
    assert "COUNT" not in queries[0]["sql"].upper()
    assert "OFFSET" not in queries[0]["sql"].upper()


@pytest.mark.parametrize("size", ["0", "101", "-1", "ten", "1.0", "", "\u0661", "9" * 50, " 5"])
def test_a_page_size_out_of_range_is_refused(size: str) -> None:
    with pytest.raises(ParseError, match="from 1 to 100"):
        page(f"?page_size={size}")


@given(st.text(max_size=60) | st.binary(max_size=40).map(lambda data: data.hex()))
def test_a_cursor_is_one_of_ours_or_refused(text: str) -> None:
    with suppress(ParseError):
        assert Cursor.decode(text).encode() == text


@given(st.booleans())
def test_a_cursor_comes_back_as_it_was(is_backward: bool) -> None:
    cursor = Cursor(is_backward, new_id())

    assert Cursor.decode(cursor.encode()) == cursor
