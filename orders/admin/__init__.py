"""What the back office shows of orders and stock.

The page of an order stands in `payments.admin`, the highest app it shows something of; what is the orders' own in it
is here.
"""

from orders.admin import stock

__all__ = ["stock"]
