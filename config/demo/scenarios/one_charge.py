"""Whatever the line does, and however often a client asks: money moves once."""

from config.demo.registry import require, require_equal, scenario
from config.demo.shop import Answer, Shop, new_key, said

TEE = 25_00


@scenario(1)
def success_after_two_network_errors(shop: Shop) -> list[str]:
    """The gateway resets the first two calls before it does anything: the third, under the same saga, succeeds."""
    order = shop.place_order()

    _require_completed(shop, order, shop.check_out(order, "tok_flaky_2"))

    calls = [entry["result"] for entry in shop.journal(order) if entry["operation"] == "authorize"]
    require_equal("the authorizations in the journal", calls, ["failed", "failed", "succeeded"])
    _require_charged_once(shop, order)
    return ["2 authorizations were cut off, the third succeeded; captured once"]


@scenario(2)
def replay_of_the_same_key(shop: Shop) -> list[str]:
    """A client that repeats its request under the same Idempotency-Key gets the same bytes, and nothing happens."""
    order, key = shop.place_order(), new_key()

    first, again = shop.final_answer(order, key=key), shop.check_out(order, key=key)

    require_equal("the first answer", said(first), "201")
    require_equal("the second answer", said(again), "201")
    require(first.data == again.data, "the second answer has other bytes than the first")
    require_equal("Idempotent-Replayed of the second answer", again.headers.get("Idempotent-Replayed"), "true")
    calls = [entry["operation"] for entry in shop.journal(order) if entry["operation"] != "look_up"]
    require_equal("the calls in the journal", calls, ["authorize", "capture", "ship"])
    return [f"2 answers of the same {len(first.data)} bytes; 1 authorization, 1 capture, 1 parcel"]


@scenario(8)
def timeout_after_success(shop: Shop) -> list[str]:
    """The gateway authorizes and never says so. A timeout is no failure: the outcome is looked up, not repeated."""
    order = shop.place_order()

    _require_completed(shop, order, shop.check_out(order, "tok_timeout_after"))

    silent = [e for e in shop.journal(order) if e["operation"] == "authorize" and not e["answered"]]
    require_equal("the authorizations that were never answered", len(silent), 1)
    _require_charged_once(shop, order)
    return ["the authorization was done and never answered; it was found out and not repeated; captured once"]


def _require_completed(shop: Shop, order: str, answer: Answer) -> None:
    """At once, or after a 202."""
    require(answer.status in (201, 202), f"the checkout was answered with {said(answer)}")
    require_equal("the order", shop.settled(order)["status"], "completed")


def _require_charged_once(shop: Shop, order: str) -> None:
    require_equal("authorized by the journal", shop.moved(order, "authorize"), [TEE])
    require_equal("captured by the journal", shop.moved(order, "capture"), [TEE])
    charge = shop.charge(order)
    require_equal("the charge", (charge["status"], charge["amount_captured"]), ("captured", TEE))
