"""What operators see of money: charges, sagas, the ledger, and the orders they are about."""

from payments.admin import (
    alerts,
    approvals,
    calls,
    captures,
    charges,
    deliveries,
    disputes,
    endpoints,
    gateways,
    keys,
    ledger,
    orders,
    reviews,
    routes,
    sagas,
    webhooks,
)

__all__ = [
    "alerts",
    "approvals",
    "calls",
    "captures",
    "charges",
    "deliveries",
    "disputes",
    "endpoints",
    "gateways",
    "keys",
    "ledger",
    "orders",
    "reviews",
    "routes",
    "sagas",
    "webhooks",
]
