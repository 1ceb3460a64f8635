"""Opens every kind of page of the back office as an administrator, and says as JSON what each one took.

Works on the demo's history, or on that of a hundred thousand orders: `python -m benchmarks.pages COPIES ROUNDS`.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import django

django.setup()

from django.contrib.admin import site  # noqa: E402  # models need the set-up above
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import reverse  # noqa: E402

from benchmarks import crowd  # noqa: E402
from fraud.models import ReviewCase  # noqa: E402
from orders.admin.marks import page_url  # noqa: E402
from orders.models import Order  # noqa: E402
from payments.models import ChargeAttempt, SagaExecution  # noqa: E402

ITS_APPS = frozenset({"orders", "fraud", "payments"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("copies", type=int)
    parser.add_argument("rounds", type=int)
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    call_command("load_demo", verbosity=0)
    crowd.multiply(options.copies)
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(username="admin"))
    pages = {name: _take(client, address, options.rounds) for name, address in _pages()}
    print(json.dumps({"orders": Order.objects.count(), "pages": pages}))


def _pages() -> Iterator[tuple[str, str]]:
    yield "first page", reverse("admin:index")
    order, charge = Order.objects.order_by("-id")[70], ChargeAttempt.objects.exclude(card_last4="").order_by("-id")[70]
    orders = reverse("admin:orders_order_changelist")
    yield "orders of one status", f"{orders}?status__exact=payment_failed"
    yield "orders, a page further on", f"{orders}?older_than={order.public_id}"
    for name, term in _searches(order, charge):
        yield f"orders by {name}", f"{orders}?q={term}"
    yield "find an id", f"{reverse('admin:find')}?q={charge.public_id}"
    for model in sorted((model for model in site._registry if _is_ours(model)), key=lambda model: model.__name__):
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        yield f"list: {model._meta.verbose_name_plural}", reverse(f"admin:{name}_changelist")
    for row in (order, charge, SagaExecution.objects.order_by("-id")[70], ReviewCase.objects.order_by("-id")[1]):
        yield f"page: {row._meta.verbose_name}", page_url(row)


def _searches(order: Order, charge: ChargeAttempt) -> Iterator[tuple[str, str]]:
    yield "reference", order.reference
    yield "e-mail", order.customer_email
    yield "last four", charge.card_last4
    yield "gateway reference", charge.gateway_reference
    yield "request id", f"req-{charge.saga_id}"


def _is_ours(model: type[models.Model]) -> bool:
    return model._meta.app_label in ITS_APPS


def _take(client: Client, address: str, rounds: int) -> dict[str, Any]:
    """Milliseconds in the middle of the rounds, and SQL statements, of a page that was opened once before."""
    with CaptureQueriesContext(connection) as queries:
        _open(client, address)
    statements = len(queries)  # the next request empties the log
    return {"ms": statistics.median(_open(client, address) for _ in range(rounds)), "statements": statements}


def _open(client: Client, address: str) -> float:
    started = time.perf_counter()
    status = client.get(address).status_code
    taken = (time.perf_counter() - started) * 1000
    assert status in (200, 302), f"{address} answered {status}"
    return taken


if __name__ == "__main__":
    main()
