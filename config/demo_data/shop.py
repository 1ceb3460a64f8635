"""What the demo sells, at which price, and whom it does not trust."""

from collections.abc import Mapping
from typing import Final

from fraud.facts import ListName
from fraud.models import ListEntry
from fraud.services import add_list_entry
from orders.models import StockItem

PLENTY: Final = 1_000_000

STOCK: Final[Mapping[str, tuple[str, int]]] = {
    "TEE": ("T-shirt", PLENTY),
    "MUG": ("Mug", PLENTY),
    "POSTER": ("Poster", PLENTY),
    "LAST-ONE": ("The last one", 1),
}
"""Name and number on the shelf, by SKU."""

PRICES: Final[Mapping[str, int]] = {"TEE": 25_00, "MUG": 12_50, "POSTER": 18_00}
"""In US cents."""

BLOCKED: Final = "blocked@example.com"
WATCHED: Final = "review@example.com"


def fill_shelves() -> None:
    """Put new items on the shelf; what is there keeps its number, for it may have been sold from."""
    StockItem.objects.bulk_create(
        [StockItem(sku=sku, name=name, available=available) for sku, (name, available) in STOCK.items()],
        ignore_conflicts=True,
    )


def fill_lists() -> None:
    """An entry that somebody has put there already stays as it is."""
    for value, list_name in ((BLOCKED, ListName.BLOCK), (WATCHED, ListName.WATCH)):
        if not ListEntry.objects.filter(list_name=list_name, value=value).exists():
            add_list_entry(value, list_name=list_name, reason="Demo data.")
