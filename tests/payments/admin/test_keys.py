from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from orders.admin.marks import NOTHING
from payments.models import IdempotencyKey
from tests.office import Office
from tests.payments.builders import Api

pytestmark = pytest.mark.django_db


def test_a_key_tells_what_its_request_was_answered(office: Office, api: Api) -> None:
    order = api.order()
    api.checkout(order, key="key-7")
    key = IdempotencyKey.objects.get(key="key-7")

    html = office.page("payments_idempotencykey_change", key.pk)

    assert "settled with 201" in html
    assert key.fingerprint in html
    assert key.saga.public_id in html
    assert f"&quot;id&quot;: &quot;{order.public_id}&quot;" in html
    for term in ("key-7", key.request_id, key.saga.public_id):
        assert "key-7" in office.page("payments_idempotencykey_changelist", q=term)


def test_a_key_tells_how_long_it_is_remembered(office: Office, settings: Settings) -> None:
    settings.IDEMPOTENCY_KEY_DAYS = 3
    key = IdempotencyKey.objects.create(client=office.user, key="key-7", fingerprint="f")
    assert "as long as what it began is open" in office.page("payments_idempotencykey_change", key.pk)

    IdempotencyKey.objects.update(status=201, frozen_at=datetime(2026, 11, 20, 12, 30, tzinfo=UTC))

    assert "until 2026-11-23 12:30" in office.page("payments_idempotencykey_change", key.pk)


def test_a_key_is_looked_for_by_an_index(office: Office) -> None:
    with CaptureQueriesContext(connection) as queries:
        office.page("payments_idempotencykey_changelist", q="key-7")

    [search] = [query["sql"] for query in queries if "'key-7'" in query["sql"]]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {search}")
            assert "SCAN payments_idempotencykey" not in str(cursor.fetchall())


@pytest.mark.parametrize(
    ("body", "shown"),
    [(b'{"card_number": "4242424242424242"}', "[card ****4242]"), (b"not JSON \xff", "not JSON"), (b"", NOTHING)],
)
def test_a_stored_answer_is_redacted_whatever_it_is(office: Office, body: bytes, shown: str) -> None:
    key = IdempotencyKey.objects.create(client=office.user, key="key-7", fingerprint="f", status=400, answer=body)

    html = office.page("payments_idempotencykey_change", key.pk)

    assert shown in html
    assert "4242424242424242" not in html


def test_keys_are_told_apart_by_whether_they_are_settled(office: Office) -> None:
    IdempotencyKey.objects.create(client=office.user, key="key-open", fingerprint="f")
    IdempotencyKey.objects.create(client=office.user, key="key-settled", fingerprint="f", status=201)

    opened = office.page("payments_idempotencykey_changelist", answer="open")
    settled = office.page("payments_idempotencykey_changelist", answer="settled")

    assert "key-open" in opened
    assert "key-settled" not in opened
    assert "key-settled" in settled
    assert "key-open" not in settled
