"""Fills a new database with what a checkout needs, and says the token of a client as JSON.

Many items, so that orders placed one after the other do not queue up at the same two rows of stock.
"""

import json
from io import StringIO
from typing import Final

import django
from django.core.management import call_command

ITEMS: Final = 50


def main() -> None:
    django.setup()
    from orders.models import StockItem

    call_command("migrate", verbosity=0)
    StockItem.objects.bulk_create(StockItem(sku=f"ITEM-{n:02}", available=1_000_000) for n in range(ITEMS))
    token = StringIO()
    call_command("create_api_token", "benchmark", group=["API client"], stdout=token)
    print(json.dumps({"token": token.getvalue().strip()}))


if __name__ == "__main__":
    main()
