"""Clients, stock and orders, each as plain as it may be and in nobody's way: every one has names of its own."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User

from orders.ids import new_id
from orders.models import Order, StockItem
from orders.services import Line, place_order
from tests.config.builders import make_user

ADDRESS = {"country": "US", "postal_code": "10001"}


def make_client(group: str = "API client") -> User:
    """The user of a service account."""
    return make_user(f"client-{new_id()}", groups=(group,))


def make_stock(sku: str = "", *, available: int = 100) -> StockItem:
    return StockItem.objects.create(sku=sku or f"SKU-{new_id()}", available=available)


def make_order(
    client: User | None = None,
    *,
    item: StockItem | None = None,
    quantity: int = 2,
    unit_amount_minor: int = 12_50,
    postal_code: str = "10001",
    lines: Sequence[Line] = (),
    **fields: Any,
) -> Order:
    """An open order of one line, unless `lines` says otherwise, of a customer who has ordered nothing else."""
    line = () if lines else (Line((item or make_stock()).sku, quantity, unit_amount_minor),)
    facts = {
        "currency": "USD",
        "customer_id": f"customer-{new_id()}",
        "customer_email": "jo@example.com",
        "billing": ADDRESS,
        "shipping": {**ADDRESS, "postal_code": postal_code},
        **fields,
    }
    return place_order(client or make_client(), lines=lines or line, **facts)
