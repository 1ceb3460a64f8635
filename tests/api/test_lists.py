"""Lists: keyset pages over an index, as quick with many rows as with few, and unmoved by rows that come meanwhile.

Every list of the URL configuration takes part.
"""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.crowd import multiply
from orders.models import Order
from payments.models import ChargeAttempt
from tests.api import calls
from tests.api.endpoints import Endpoint, endpoints
from tests.api.rows import RARE, make_rows
from tests.orders.builders import make_client
from tests.payments.builders import Api

LISTS: Final = [endpoint for endpoint in endpoints() if endpoint.is_list]
COPIES: Final = 20
"""Of each of a thousand orders: enough that PostgreSQL would scan, had it no index."""
FEW: Final = 100
"""Of a client whose rows are all older than everybody else's."""
PAGE: Final = 20
VISITED: Final = 30 * PAGE
"""Rows a page may look at, in all tables together; a scan would look at all of them."""
OF_WHOM: Final = re.compile(r"(auth|knox|django)_")
"""Tables that say who asks and what they may do: the same rows for every page, more with every new permission."""

every_list = pytest.mark.parametrize("endpoint", LISTS, ids=str)


@pytest.fixture
def api(db: None) -> Api:
    return Api(calls.everything())


def page(api: Api, endpoint: Endpoint, **query: str) -> dict[str, Any]:
    answer = api.get(endpoint.route, **query)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def ids(found: dict[str, Any]) -> list[str]:
    return [row["id"] for row in found["results"]]


def query_of(link: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(link).query))


def queries_of(api: Api, endpoint: Endpoint, **query: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        page(api, endpoint, **query)
    return [statement["sql"] for statement in captured]


@every_list
def test_eighty_rows_take_as_many_queries_as_two(api: Api, endpoint: Endpoint) -> None:
    make_rows(api.user, 2)
    few = queries_of(api, endpoint, page_size="100")
    assert len(ids(page(api, endpoint))) == 2, f"tests/api/rows.py makes no rows for {endpoint}"

    make_rows(api.user, 78)
    many = queries_of(api, endpoint, page_size="100")

    assert len(ids(page(api, endpoint, page_size="100"))) == 80
    assert len(many) == len(few)


@every_list
def test_nothing_is_counted_and_nothing_skipped(api: Api, endpoint: Endpoint) -> None:
    make_rows(api.user, 3)
    following = query_of(page(api, endpoint, page_size="1")["next"])

    sent = " ".join(queries_of(api, endpoint) + queries_of(api, endpoint, **following)).upper()

    assert "COUNT(" not in sent
    assert "OFFSET" not in sent


@every_list
def test_rows_that_come_between_two_pages_neither_hide_nor_double_any(api: Api, endpoint: Endpoint) -> None:
    make_rows(api.user, 20)
    before = ids(page(api, endpoint, page_size="100"))

    seen, found = [], page(api, endpoint, page_size="7")
    while True:
        seen.append(ids(found))
        if found["next"] is None:
            break
        make_rows(api.user, 2, newest=timezone.now() + timedelta(hours=1))
        found = page(api, endpoint, **query_of(found["next"]))

    assert [name for names in seen for name in names] == before
    assert [len(names) for names in seen] == [7, 7, 6]
    back = [ids(found)]
    while found["previous"] is not None:
        found = page(api, endpoint, **query_of(found["previous"]))
        back.append(ids(found))
    assert back[: len(seen)] == seen[::-1]
    assert [name for names in back[::-1] for name in names] == ids(page(api, endpoint, page_size="100"))


@every_list
def test_a_page_has_twenty_rows_unless_asked_otherwise_and_never_more_than_a_hundred(
    api: Api, endpoint: Endpoint
) -> None:
    make_rows(api.user, 101)

    assert len(ids(page(api, endpoint))) == PAGE
    assert len(ids(page(api, endpoint, page_size="1"))) == 1
    assert len(ids(page(api, endpoint, page_size="100"))) == 100
    assert api.get(endpoint.route, page_size="101").status_code == 400


def may_read(user: User, endpoint: Endpoint) -> bool:
    needed = calls.permissions_of(endpoint, "GET")
    return user.has_perms([f"{each.content_type.app_label}.{each.codename}" for each in needed])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def visited(sql: str) -> int:
    """Rows that PostgreSQL looked at for this statement, whether or not it kept them."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        [[plan]] = cursor.fetchone()
    scans = [node for node in nodes(plan["Plan"]) if "Relation Name" in node]
    assert scans, json.dumps(plan)
    scans = [node for node in scans if not OF_WHOM.match(node["Relation Name"])]
    return sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans)


def rare_values(endpoint: Endpoint, oldest: Order) -> dict[str, str]:
    """For each filter, a value that few rows have, and not the newest: a scan would look at all the others first."""
    charge = ChargeAttempt.objects.get(order=oldest)
    values = {
        "orders": {"status": "cancelled", "reference": oldest.reference},
        "charges": {"status": "voided", "order": oldest.public_id, "gateway": "stripe"},
        "refunds": {"status": "failed", "charge": charge.public_id},
        "disputes": {"status": "open", "charge": charge.public_id},
        "sagas": {"state": "needs_attention", "definition": "remedy"},
        "interventions": {"saga": charge.saga.public_id, "state": "stale"},
        "webhook-events": {
            "status": "failed",
            "gateway": "stripe",
            "kind": "charge.voided",
            "charge": charge.public_id,
        },
        "fraud/decisions": {"decision": "block", "stage": "after_authorization", "order": oldest.public_id},
        "events": {"type": "order.cancelled", "object": oldest.public_id},
    }.get(endpoint.route, {})
    values["created_before"] = (oldest.created_at + timedelta(hours=3)).isoformat()
    values["created_after"] = (timezone.now() - timedelta(hours=3)).isoformat()
    missing = set(endpoint.filters) - set(values)
    assert not missing, f"Which value of {missing} have few rows of {endpoint}? Say so in rare_values."
    return {name: values[name] for name in endpoint.filters}


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's EXPLAIN does not count rows")
def test_every_filter_finds_its_rows_over_an_index(subtests: pytest.Subtests) -> None:
    crowd, shop = make_client(), make_client()
    make_rows(crowd, RARE)
    multiply(COPIES)
    make_rows(shop, FEW, newest=timezone.now() - timedelta(days=365))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    for who, api in {"everybody's": Api(calls.everything()), "the crowd's": Api(crowd), "a shop's": Api(shop)}.items():
        oldest = Order.objects.visible_to(api.user).order_by("pk")[0]
        for endpoint in filter(lambda each: may_read(api.user, each), LISTS):
            for query in ({}, *({name: value} for name, value in rare_values(endpoint, oldest).items())):
                with subtests.test(f"{who} {endpoint.route} {query}"):
                    sent = queries_of(api, endpoint, **query)

                    looked_at = sum(visited(sql) for sql in sent if sql.startswith("SELECT"))
                    assert looked_at <= VISITED
