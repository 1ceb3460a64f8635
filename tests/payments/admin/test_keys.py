import pytest

from orders.admin.marks import NOTHING
from payments.models import (
    IdempotencyKey,
)
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
    assert "key-7" in office.page("payments_idempotencykey_changelist", q=key.saga.public_id)


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
