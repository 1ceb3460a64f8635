"""What operators see of money: charges, sagas, the ledger, and the orders they are about."""

from payments.admin import alerts, captures, charges, keys, ledger, orders, reviews, sagas, webhooks

__all__ = ["alerts", "captures", "charges", "keys", "ledger", "orders", "reviews", "sagas", "webhooks"]
