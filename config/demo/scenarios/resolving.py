"""What the gateway will not undo, people do: one says so with evidence, another agrees, the saga undoes the rest."""

import re
from typing import Final

from config.demo.office import Office
from config.demo.registry import require, require_equal, scenario
from config.demo.shop import Shop, eventually, new_key, said

PRICE: Final = 45_00
REFUSED_POSTAL_CODE: Final = "99999"
EVIDENCE: Final = "bank transfer 2026-11-24/17"


@scenario(12)
def resolved_by_two_operators(shop: Shop) -> list[str]:
    """A parcel is refused, and its refund too; an operator has paid it back by bank, and a second one agrees."""
    order, key = shop.place_order("LAST-ONE", unit_amount=PRICE, postal_code=REFUSED_POSTAL_CODE), new_key()
    answer = shop.check_out(order, "tok_refund_fails", key=key)
    require_equal("the checkout's answer", said(answer), "202")
    saga = answer.json()["saga"]["id"]
    require_equal("the saga", shop.get(f"/v1/sagas/{saga}")["state"], "failed_compensation")
    require_equal("the order", shop.get(f"/v1/orders/{order}")["status"], "needs_attention")

    _ask_to_mark(Office(shop.stack, "operator"), saga)
    require_equal("the saga, with one person's word", shop.get(f"/v1/sagas/{saga}")["state"], "failed_compensation")
    _approve(Office(shop.stack, "operator2"), saga)

    eventually(
        lambda: shop.get(f"/v1/sagas/{saga}")["state"],
        lambda state: state == "resolved",
        otherwise="the saga was not resolved",
    )
    require_equal("the order", shop.get(f"/v1/orders/{order}")["status"], "payment_failed")
    require_equal("paid for it", shop.get(f"/v1/orders/{order}")["amount_paid"], 0)
    final = shop.check_out(order, "tok_refund_fails", key=key)
    require_equal("the client's answer", said(final), "409 shipment_refused")
    last = shop.final_answer(shop.place_order("LAST-ONE"), "tok_declined")
    require_equal("checking out the last one with a bad card", said(last), "402 card_declined")
    return ["failed_compensation; marked as compensated by operator, approved by operator2; resolved, the item is back"]


def _ask_to_mark(office: Office, saga: str) -> None:
    office.open(f"/admin/payments/sagaexecution/{saga}/act/mark_compensated/")
    told = office.fill_in(evidence=EVIDENCE, reason="The card's issuer refuses; paid back by transfer.")
    require("somebody else has to approve it" in told, "one person was enough")


def _approve(office: Office, saga: str) -> None:
    page = office.open(f"/admin/payments/sagaexecution/{saga}/change/")
    found = re.search(r'href="(/admin/payments/sagaintervention/int_\w+/decide/)"', page)
    require(found, "the second person is not asked")
    office.open(found[1] if found else "")
    told = office.fill_in(note="Saw it on the statement.", decision="approve")
    require("Approved: it goes on now." in told, "the back office did not confirm the approval")
