"""A payment that the rules doubt waits for a person, and goes on when the person says so."""

import re
from typing import Final

from config.demo.office import Office
from config.demo.registry import require, require_equal, scenario
from config.demo.shop import Shop, said

WATCHED: Final = "review@example.com"
PRICE: Final = 60_00
REASON: Final = "Known to us: spoke to the customer."


@scenario(10)
def approved_in_the_back_office(shop: Shop) -> list[str]:
    """Parked in review with nothing captured; an operator claims and approves it in the admin; then it is captured."""
    order = shop.place_order(email=WATCHED, unit_amount=PRICE)
    answer = shop.check_out(order)
    require_equal("the checkout's answer", said(answer), "202")
    require_equal("the order", shop.get(f"/v1/orders/{order}")["status"], "in_review")
    require_equal("captured before anybody decided", shop.moved(order, "capture"), [])

    office = Office(shop.stack, "operator")
    case = _case_of(office, order)
    office.open(case)
    require("You have this review." in office.send("claim"), "the review could not be claimed")
    require("a reason is needed" in office.send("approve", reason=" "), "a verdict was taken without a reason")
    require("Approved." in office.send("approve", reason=REASON), "the back office did not confirm the approval")

    require_equal("the order", shop.settled(order)["status"], "completed")
    require_equal("captured by the journal", shop.moved(order, "capture"), [PRICE])
    require_equal("the charge", shop.charge(order)["status"], "captured")
    return ["202 and in review, nothing captured; claimed and approved by operator in the admin; captured once"]


def _case_of(office: Office, order: str) -> str:
    """The address of the order's review, found as people find it: by the order's id in the queue's search."""
    found = re.search(
        r'href="(/admin/fraud/reviewcase/rev_\w+/change/)', office.open(f"/admin/fraud/reviewcase/?q={order}")
    )
    require(found, "the order has no review in the queue")
    return found[1] if found else ""
