from tests.payments.sandbox.shop import Shop


def test_an_order_is_shipped_and_called_back(shop: Shop) -> None:
    shipped = shop.ship().json()["shipment"]
    cancelled = shop.sandbox.post(f"/v1/shipments/{shipped['id']}/cancel", key=shop.key()).json()["shipment"]

    assert (shipped["status"], cancelled["status"]) == ("shipped", "cancelled")
    assert shipped["tracking_number"]
    found = shop.sandbox.get(f"/v1/shipments/{shipped['id']}").json()["shipment"]
    assert [o["operation"] for o in found["operations"]] == ["ship", "cancel_shipment"]
    entries = [(e["operation"], e["shipment"], e["charge"], e["result"]) for e in shop.journal()]
    assert entries[:2] == [(name, shipped["id"], None, "succeeded") for name in ("ship", "cancel_shipment")]


def test_a_second_cancel_is_a_conflict(shop: Shop) -> None:
    shipment = shop.ship().json()["shipment"]["id"]
    shop.sandbox.post(f"/v1/shipments/{shipment}/cancel", key=shop.key())

    answer = shop.sandbox.post(f"/v1/shipments/{shipment}/cancel", key=shop.key())

    assert (answer.status, answer.json()["error"]["code"]) == (409, "shipment_already_cancelled")


def test_a_refused_postal_code_is_a_definite_no_that_can_be_looked_up(shop: Shop) -> None:
    key = shop.key()

    answer = shop.ship("99999", key=key)

    assert (answer.status, answer.json()["error"]["code"]) == (422, "shipment_refused")
    (operation,) = shop.operations(key)
    assert (operation["operation"], operation["status"], operation["shipment"]) == ("ship", "declined", None)
    assert operation["error"]["code"] == "shipment_refused"


def test_a_silent_carrier_has_shipped(shop: Shop) -> None:
    key = shop.key()

    with shop.hanging_up():
        shop.ship("99998", key=key)

    (operation,) = shop.operations(key)
    assert (operation["status"], operation["shipment"]["status"]) == ("succeeded", "shipped")
    assert shop.ship("99998", key=key).json()["shipment"]["id"] == operation["shipment"]["id"]
    listed = shop.sandbox.get("/v1/shipments", order=shop.order).json()["shipments"]
    assert [s["id"] for s in listed] == [operation["shipment"]["id"]]


def test_not_every_country_has_postal_codes(shop: Shop) -> None:
    answer = shop.sandbox.post("/v1/shipments", {"order": shop.order, "address": {"country": "AO"}}, key=shop.key())

    assert (answer.status, answer.json()["shipment"]["status"]) == (200, "shipped")


def test_a_shipment_nobody_made_is_not_found(shop: Shop) -> None:
    assert shop.sandbox.get("/v1/shipments/shp_nobody").status == 404
    assert shop.sandbox.post("/v1/shipments/shp_nobody/cancel", key=shop.key()).status == 404
    assert shop.sandbox.get(f"/v1/shipments/{shop.authorized()}").status == 404
