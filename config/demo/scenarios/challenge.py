"""A customer who has to prove who they are: the checkout waits, and goes on by what the gateway says."""

import time
from typing import Final

import urllib3

from config.demo.registry import require, require_equal, scenario
from config.demo.shop import Shop, new_key, said

TOKEN: Final = "tok_3ds"  # noqa: S105  # a test card, no secret
TEE: Final = 25_00


@scenario(11)
def three_d_secure(shop: Shop) -> list[str]:
    """A checkout that needs its customer waits for the challenge: passed, it is captured; failed, it is cancelled."""
    return [_passed(shop), _failed(shop)]


def _passed(shop: Shop) -> str:
    order, key = shop.place_order(), new_key()
    page = _challenge_page(shop, order, key)
    require_equal("captured before the customer has answered", shop.moved(order, "capture"), [])
    clicked_at = time.monotonic()
    _click(page, "approve")

    require_equal("the order", shop.settled(order)["status"], "completed")
    seconds = time.monotonic() - clicked_at
    require_equal("the answer under the same key", said(shop.final_answer(order, TOKEN, key=key)), "201")
    require_equal("calls to authorize", _results(shop, order, "authorize"), ["requires_action"])
    require_equal("captured by the journal", shop.moved(order, "capture"), [TEE])
    charge = shop.charge(order)
    require_equal("the charge", (charge["status"], charge["amount_captured"]), ("captured", TEE))
    return f"202 with the page to visit; approved there, captured once, and shipped {seconds:.1f} s after the click"


def _failed(shop: Shop) -> str:
    order, key = shop.place_order(), new_key()
    page = _challenge_page(shop, order, key)
    _click(page, "fail")

    require_equal("the order", shop.settled(order)["status"], "payment_failed")
    answer = shop.final_answer(order, TOKEN, key=key)
    require_equal("the answer under the same key", said(answer), "402 authentication_failed")
    require_equal("calls to void", len(_results(shop, order, "void")), 1)
    _click(page, "approve")
    require_equal("the gateway's charge after a late approval", _status_at_gateway(shop, order), "failed")
    require_equal("captured by the journal", shop.moved(order, "capture"), [])
    return "failed by another customer: 402 authentication_failed, and cancelled at the gateway before that was said"


def _challenge_page(shop: Shop, order: str, key: str) -> str:
    answer = shop.check_out(order, TOKEN, key=key)
    require_equal("the checkout's answer", said(answer), "202")
    action = answer.json()["next_action"]
    require(action and action["type"] == "redirect", f"the next action is {action!r}")
    return str(action["url"])


def _click(page: str, button: str) -> None:
    """What the customer's browser does; the answer leads back to the shop."""
    answer = urllib3.request("POST", f"{page}/{button}", fields={}, redirect=False, retries=False, timeout=20.0)
    require_equal(f"clicking {button}", answer.status, 303)


def _results(shop: Shop, order: str, operation: str) -> list[str]:
    """How the calls of this operation ended, oldest first."""
    return [entry["result"] for entry in shop.journal(order) if entry["operation"] == operation]


def _status_at_gateway(shop: Shop, order: str) -> str:
    url = f"{shop.stack.sandbox_url}/v1/charges"
    charges = urllib3.request("GET", url, fields={"order": order}, retries=False, timeout=20.0).json()["charges"]
    return str(charges[-1]["status"])
