"""The order that every part of the benchmark checks out: two items, a new customer, a good card."""

from typing import Any, Final

from benchmarks.seed import ITEMS

CARD: Final = {"payment_method": "tok_visa"}


def order(number: int) -> dict[str, Any]:
    """The body of a request that places it."""
    address = {"country": "US", "postal_code": "10001", "city": "New York", "line1": "1 Main Street"}
    skus = (f"ITEM-{(2 * number + offset) % ITEMS:02}" for offset in range(2))
    return {
        "currency": "USD",
        "customer": {"id": f"customer-{number}", "email": f"customer-{number}@example.com"},
        "lines": [{"sku": sku, "quantity": 1, "unit_amount": 1250} for sku in skus],
        "billing": address,
        "shipping": address,
    }
