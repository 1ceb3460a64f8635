"""No card number in any log, wherever a client puts it."""

from config.demo.registry import require, require_equal, scenario
from config.demo.shop import Shop, eventually, new_key, said

NUMBER = "4111111111111111"
"""A number every processor publishes for tests."""
SPELLINGS = (NUMBER, "4111-1111-1111-1111", "4111 1111 1111 1111", "4111%201111%201111%201111")
MASK = "[card ****1111]"


@scenario(7)
def card_number_in_a_log_line(shop: Shop) -> list[str]:
    """A card number in an address, in a request id and in place of a token: the log has each line, masked."""
    order = shop.place_order()

    in_path = shop.call("GET", f"/v1/orders/{NUMBER}", X_Request_ID="demo-path")
    in_id = shop.call("GET", "/v1/orders", X_Request_ID=SPELLINGS[1])
    in_body = shop.call(
        "POST", f"/v1/orders/{order}/checkout", {"payment_method": SPELLINGS[2]}, Idempotency_Key=new_key()
    )

    require_equal("the order of that name", said(in_path), "404 not_found")
    require_equal("the list of orders", said(in_id), "200")
    require_equal("the checkout with a card number", said(in_body), "422 validation_failed")
    _require_line(shop, "path", f"/v1/orders/{MASK}")
    _require_line(shop, "request_id", MASK)
    leaks = [spelling for spelling in SPELLINGS if spelling in shop.stack.output]
    require(not leaks, f"the log holds the number as {' and as '.join(leaks)}")
    require_equal("the calls in the journal", shop.journal(order), [])
    return [f"logged as /v1/orders/{MASK} and as request {MASK}; the number itself is nowhere in the log"]


def _require_line(shop: Shop, name: str, value: str) -> None:
    eventually(
        lambda: [event.get(name) for event in shop.stack.events()],
        lambda logged: value in logged,
        otherwise=f"no log line with {name} {value}",
        seconds=5,
    )
