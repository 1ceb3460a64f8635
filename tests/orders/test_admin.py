import re

import pytest
from django.contrib.admin.models import LogEntry

from orders.admin.stock import MOST
from orders.models import Order, Shipment, StockItem
from orders.services import Line, reserve_stock
from tests.office import ALL_CLIENTS, Office
from tests.orders.builders import make_client, make_order, make_stock

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Office:
    return Office(groups=("Operator",))


def adjusted(office: Office, item: StockItem, **form: object) -> str:
    """The page after the stock form has been sent."""
    response = office.post("orders_stockitem_change", item.pk, **{"name": item.name, **form})
    assert response.status_code == 200
    return str(response.content.decode())


def available(item: StockItem) -> int:
    return StockItem.objects.get(pk=item.pk).available


def test_orders_are_listed_with_their_totals_as_money(office: Office) -> None:
    make_order(reference="web-7", currency="USD", quantity=2, unit_amount_minor=12_50)
    make_order(currency="JPY", quantity=1, unit_amount_minor=3_000)

    html = office.page("orders_order_changelist")

    assert "25.00 USD" in html
    assert "3,000 JPY" in html
    assert "web-7" in html


@pytest.mark.parametrize("term", ["{order.public_id}", "web 7", "ann@example.com", "customer-7", "{shipment}"])
def test_an_order_is_found_by_what_people_have_in_hand(office: Office, term: str) -> None:
    found = make_order(reference="web 7", customer_email="ann@example.com", customer_id="customer-7")
    shipment = Shipment.objects.create(order=found, carrier="sandbox", carrier_reference="shp_7")
    other = make_order()

    html = office.page("orders_order_changelist", q=f" {term.format(order=found, shipment=shipment)} ")

    assert found.public_id in html
    assert other.public_id not in html


@pytest.mark.parametrize("term", ["ord_1", "ord_01h455vb4pex5vsknk084sn02q", "'\"%_", "ann@example"])
def test_a_search_for_what_is_not_there_finds_nothing(office: Office, term: str) -> None:
    order = make_order(customer_email="ann@example.com")

    assert order.public_id not in office.page("orders_order_changelist", q=term)


@pytest.mark.parametrize("query", [{"status__exact": "cancelled"}, {"created_at__gte": "2999-01-01 00:00:00+00:00"}])
def test_filters_narrow_the_list(office: Office, query: dict[str, str]) -> None:
    order = make_order()

    assert order.public_id not in office.page("orders_order_changelist", **query)


def test_a_list_links_to_pages_by_typed_id(office: Office) -> None:
    order = make_order()

    link = re.search(r'href="([^"]+/ord_[^"]+)"', office.page("orders_order_changelist"))

    assert link is not None
    assert link[1] == f"/admin/orders/order/{order.public_id}/change/"
    assert order.reference in office.page("orders_order_change", order.public_id)


def test_an_order_tells_what_was_ordered_and_what_became_of_it(office: Office) -> None:
    item = make_stock("TEE")
    order = make_order(lines=[Line("TEE", 3, 12_50, "T-shirt, blue")], metadata={"channel": "web"})
    reserve_stock(order, checkout_number=1)
    Shipment.objects.create(order=order, carrier="sandbox", carrier_reference="shp_7", tracking_number="TRACK-7")

    html = office.page("orders_order_change", order.pk)

    for told in (item.sku, "T-shirt, blue", "12.50 USD", "37.50 USD", "held", "TRACK-7", "US, 10001", "channel"):
        assert told in html


def test_what_a_client_wrote_is_shown_as_text_and_redacted(office: Office) -> None:
    order = make_order(metadata={"<script>": "4242424242424242", "api_key": "sk_live_1"}, shipping={"name": "<img>"})

    html = office.page("orders_order_change", order.pk)

    assert "&lt;script&gt;" in html
    assert "&lt;img&gt;" in html
    assert "4242424242424242" not in html
    assert "sk_live_1" not in html


@pytest.mark.parametrize("action", ["change", "delete"])
def test_an_order_is_not_changed_in_a_form(action: str) -> None:
    office = Office(ALL_CLIENTS, "orders.view_order", "orders.change_order", "orders.delete_order", "orders.add_order")
    order = make_order()

    response = office.post(f"orders_order_{action}", order.pk, status="completed", post="yes")

    assert response.status_code == 403
    assert Order.objects.get(pk=order.pk).status == Order.Status.OPEN
    assert office.get("orders_order_add").status_code == 403


def test_without_the_permission_to_view_nothing_is_shown() -> None:
    order, office = make_order(), Office(ALL_CLIENTS)

    assert office.get("orders_order_changelist").status_code == 403
    assert office.get("orders_order_change", order.pk).status_code == 403
    assert office.get("orders_stockitem_changelist").status_code == 403
    assert "/admin/orders/" not in office.page("index")


def test_staff_of_one_client_sees_the_orders_of_that_client_alone() -> None:
    office = Office("orders.view_order")
    own, foreign = make_order(office.user), make_order(make_client())

    html = office.page("orders_order_changelist")

    assert own.public_id in html
    assert foreign.public_id not in html
    assert office.get("orders_order_change", foreign.pk).status_code == 302


def test_a_longer_list_of_orders_takes_no_more_queries(office: Office) -> None:
    make_order(), make_order()
    for_two = office.queries("orders_order_changelist")
    for _ in range(6):
        make_order()

    assert office.queries("orders_order_changelist") == for_two


def test_a_longer_order_takes_no_more_queries(office: Office) -> None:
    short = make_order(lines=[Line(make_stock().sku, 1, 100) for _ in range(2)])
    long = make_order(lines=[Line(make_stock().sku, 1, 100) for _ in range(8)])
    reserve_stock(short, checkout_number=1)
    reserve_stock(long, checkout_number=1)
    office.page("orders_order_change", short.pk)

    assert office.queries("orders_order_change", short.pk) == office.queries("orders_order_change", long.pk)


def test_stock_is_adjusted_by_a_difference(office: Office) -> None:
    item = make_stock(available=10)

    adjusted(office, item, adjust_by="-3", reason="Damaged in transit")

    assert available(item) == 7
    assert "-3 in stock: Damaged in transit" in office.page("orders_stockitem_history", item.pk)


def test_a_reservation_made_while_the_form_was_open_is_kept(office: Office) -> None:
    item = make_stock(available=10)
    office.page("orders_stockitem_change", item.pk)
    reserve_stock(make_order(item=item, quantity=4), checkout_number=1)

    adjusted(office, item, adjust_by="5", reason="Delivery")

    assert available(item) == 11


@pytest.mark.parametrize(("difference", "told"), [(-11, "there are 10 of"), (MOST, "cannot be counted")])
def test_stock_that_would_not_be_there_is_refused(office: Office, difference: int, told: str) -> None:
    item = make_stock(available=10)

    html = adjusted(office, item, adjust_by=difference, reason="Miscounted", name="Renamed")

    assert told in html
    assert "was changed successfully" not in html
    assert StockItem.objects.filter(pk=item.pk, available=10, name="").exists()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("form", [{"adjust_by": "3"}, {"adjust_by": "3.5", "reason": "Delivery"}, {"adjust_by": "x"}])
def test_a_difference_that_is_no_number_or_has_no_reason_is_refused(office: Office, form: dict[str, str]) -> None:
    item = make_stock(available=10)

    assert "errorlist" in adjusted(office, item, **form)
    assert available(item) == 10


def test_a_new_name_leaves_the_stock_alone(office: Office) -> None:
    item = make_stock(available=10)

    adjusted(office, item, name="Mug", available="99")

    assert StockItem.objects.filter(pk=item.pk, available=10, name="Mug").exists()


def test_an_item_is_added_with_its_first_stock(office: Office) -> None:
    response = office.post("orders_stockitem_add", sku="MUG", name="Mug", available="5")

    assert response.status_code == 200
    assert StockItem.objects.filter(sku="MUG", available=5).exists()


def test_who_may_only_view_stock_does_not_adjust_it() -> None:
    item, office = make_stock(available=10), Office("orders.view_stockitem")

    html = office.page("orders_stockitem_change", item.pk)
    response = office.post("orders_stockitem_change", item.pk, name="", adjust_by="5", reason="Delivery")

    assert item.sku in html
    assert "adjust_by" not in html
    assert response.status_code == 403
    assert available(item) == 10
