"""Fills a database with one order and as many declined charges as it is told, and says where its pages are, as JSON.

`python -m benchmarks.charges NUMBER BEFORE`: the first page, and the one that so many rows stand before.
PostgreSQL only.
"""

import argparse
import json
from io import StringIO
from typing import Final

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402  # models need the set-up above
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from config.pagination import Cursor  # noqa: E402
from orders.models import Order  # noqa: E402
from payments.models import ChargeAttempt  # noqa: E402

TABLE: Final = ChargeAttempt._meta.db_table

# A millisecond apart, each id a UUIDv7 of its own moment. Each charge names a saga that is not there: it has to be one
# of its own, and nobody reads it here.
_CHARGES: Final = f"""
    INSERT INTO {TABLE} (
        id, order_id, saga_id, gateway, gateway_reference, payment_method, amount_minor, currency, status,
        authorized_minor, captured_minor, refunded_minor, refund_pending_minor, card_brand, card_last4, card_country,
        card_fingerprint, avs_result, cvv_result, decline_code, next_action_url, created_at, updated_at
    )
    SELECT
        uuid, %(order)s, uuid, 'sandbox', 'sch_' || number, 'tok_declined', 2500, 'USD', 'declined',
        0, 0, 0, 0, 'visa', lpad((number %% 10000)::text, 4, '0'), 'US',
        'fp_' || number %% 1000, 'match', 'match', 'card_declined', '', moment, moment
    FROM (
        SELECT
            number,
            now() - (%(number)s - number) * interval '1 millisecond' AS moment,
            (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - %(number)s + number), 12, '0')
                || '70008000' || lpad(to_hex(number), 12, '0'))::uuid AS uuid
        FROM generate_series(1, %(number)s) AS number
    ) AS made
"""  # noqa: S608  # the table's name is our own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int)
    parser.add_argument("before", type=int)
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    token = StringIO()
    call_command("create_api_token", "benchmark", group=["API client"], stdout=token)
    _fill(options.number)
    print(json.dumps({"token": token.getvalue().strip(), "first": "/v1/charges", "deep": _address(options.before)}))


def _fill(number: int) -> None:
    order = Order.objects.create(
        client=User.objects.get(username="benchmark"), currency="USD", amount_minor=2500, customer_id="cus_1",
        customer_email="ada@example.com", status=Order.Status.PAYMENT_FAILED,
    )  # fmt: skip
    with connection.cursor() as cursor:
        # No check of each row's saga, and indexes made once instead of ten million times.
        cursor.execute("SET session_replication_role = replica; SET maintenance_work_mem = '512MB'")
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s"
            " AND indexname NOT IN (SELECT conname FROM pg_constraint)",
            [TABLE],
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        cursor.execute(_CHARGES, {"order": order.pk, "number": number})
        for _, definition in indexes:
            cursor.execute(definition)
        cursor.execute(f"VACUUM ANALYZE {TABLE}")
        cursor.execute("ANALYZE")


def _address(before: int) -> str:
    """The page that so many rows stand before, as the `next` of the page before it would name it."""
    last = ChargeAttempt.objects.order_by("-pk").values_list("pk", flat=True)[before - 1]
    return f"/v1/charges?cursor={Cursor(False, last).encode()}"


if __name__ == "__main__":
    main()
