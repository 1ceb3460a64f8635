"""A checkout that cannot be finished leaves nothing behind: no money, no reservation."""

from config.demo.registry import require_equal, scenario
from config.demo.shop import Shop, said

PRICE = 40_00
REFUSED_POSTAL_CODE = "99999"
BLOCKED = "blocked@example.com"


@scenario(3)
def shipment_refused(shop: Shop) -> list[str]:
    """The carrier refuses the parcel after the capture: the charge is refunded and the item is for sale again."""
    order = shop.place_order("LAST-ONE", unit_amount=PRICE, postal_code=REFUSED_POSTAL_CODE)

    answer = shop.final_answer(order)

    require_equal("the order", shop.settled(order)["status"], "payment_failed")
    require_equal("the checkout's answer", said(answer), "409 shipment_refused")
    require_equal("captured by the journal", shop.moved(order, "capture"), [PRICE])
    require_equal("refunded by the journal", shop.moved(order, "refund"), [PRICE])
    charge = shop.charge(order)
    require_equal("captured and refunded", (charge["amount_captured"], charge["amount_refunded"]), (PRICE, PRICE))
    _require_one_on_the_shelf(shop)
    return ["captured, refused by the carrier, refunded in full; the last one is for sale again"]


@scenario(4)
def blocklisted_e_mail(shop: Shop) -> list[str]:
    """Whoever is on the blocklist is refused before the gateway hears of them, and reserves nothing."""
    order = shop.place_order("LAST-ONE", unit_amount=PRICE, email=BLOCKED)

    answer = shop.final_answer(order)

    require_equal("the checkout's answer", said(answer), "402 fraud_blocked")
    require_equal("the order", shop.settled(order)["status"], "payment_failed")
    require_equal("the calls in the journal", shop.journal(order), [])
    require_equal("the charges", shop.get(f"/v1/charges?order={order}")["results"], [])
    _require_one_on_the_shelf(shop)
    return ["402 fraud_blocked without any call to the gateway; the last one is for sale again"]


def _require_one_on_the_shelf(shop: Shop) -> None:
    """Stock is reserved before the card is asked: who gets as far as a decline had it, and a decline gives it back."""
    one = shop.final_answer(shop.place_order("LAST-ONE"), "tok_declined")
    require_equal("checking out the last one with a bad card", said(one), "402 card_declined")
    two = shop.final_answer(shop.place_order("LAST-ONE", quantity=2))
    require_equal("checking out two of the last one", said(two), "409 out_of_stock")
